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

/** Has `service` applied this event of the log of `source`? As its cursors say. */
export async function appliedBy(
  looks: Looks,
  service: ServiceName,
  source: ServiceName,
): Promise<(event: { partition: number; position: bigint }) => boolean> {
  const cursors = await cursorsOf(looks, service, source);
  return ({ partition, position }) => position <= (cursors.get(partition) ?? 0n);
}

async function cursorsOf(
  looks: Looks,
  service: ServiceName,
  source: ServiceName,
): Promise<Map<number, bigint>> {
  const rows = await looks[service]<{ partition: number; position: bigint }[]>`
    select partition, position from cursor where source = ${source}`;
  return new Map(rows.map(({ partition, position }) => [partition, position]));
}

/**
 * How many events of the log of `source` were removed, being old, of those that `service` has applied. Each stood for one row
 * that is still there.
 */
export async function removedFrom(looks: Looks, source: ServiceName, service: ServiceName): Promise<number> {
  const floors = await looks[source]<{ partition: number; position: bigint }[]>`
    select partition, position from log_floor where position > 0`;
  if (source === service) return floors.reduce((sum, { position }) => sum + Number(position), 0);
  const cursors = await cursorsOf(looks, service, source);
  return floors.reduce((sum, { partition, position }) => {
    const cursor = cursors.get(partition) ?? 0n;
    return sum + Number(cursor < position ? cursor : position);
  }, 0);
}

/** Where an offence is, where it tells how far things are: in an installation that runs, that changes from look to look. */
const PLACE = ['service', 'source', 'partition', 'account'];

/** What offended in the look before as well, the same or at the same place. */
export function stillOffending(now: Finding, before: Finding | undefined): Finding {
  if (!before) return now;
  const known = new Set(before.offences.map(placeOf));
  return { ...now, offences: now.offences.filter((offence) => known.has(placeOf(offence))) };
}

function placeOf(offence: object): string {
  const place = Object.entries(offence).filter(([name]) => PLACE.includes(name));
  return offenceText(place.length > 0 ? Object.fromEntries(place) : offence);
}

/** For people, and to tell one offence from another. */
export function offenceText(offence: object): string {
  return JSON.stringify(offence, (_key, value) => (typeof value === 'bigint' ? String(value) : value));
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
