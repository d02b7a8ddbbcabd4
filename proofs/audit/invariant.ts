import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';

/** A look into the tables of each service, all at about the same moment. */
export type Looks = Record<ServiceName, Tx>;

export interface Finding {
  /** How much was looked at: `12 accounts`. */
  looked: string;
  /** Rows that offend, each with enough to find it; of very many only the first. */
  offences: object[];
}

/** What must be true of every installation at every moment, whatever happened to it. */
export interface Invariant {
  name: string;
  /** True of an installation at rest alone: a running one always has something under way. */
  atRest?: true;
  look: (looks: Looks) => Promise<Finding>;
}

/** More rows than a person reads. */
export const OFFENCES_MAX = 100;
/** Rows that are compared in memory at once. */
const CHUNK = 5000;

/** The installation's partitions, as they were fixed at its first start. */
export async function partitionsOf(tx: Tx): Promise<number> {
  const [row] = await tx<{ value: string }[]>`select value from installation where setting = 'partitions'`;
  return Number(row!.value);
}

/** One query after another, each from where the one before ended; `after` undefined: from the beginning. */
export async function* chunks<Row>(
  next: (after: Row | undefined, limit: number) => Promise<Row[]>,
): AsyncIterable<Row[]> {
  let after: Row | undefined;
  for (;;) {
    const rows = await next(after, CHUNK);
    if (rows.length > 0) yield rows;
    if (rows.length < CHUNK) return;
    after = rows.at(-1);
  }
}
