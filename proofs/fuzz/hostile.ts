import type { Operation } from './documents.ts';
import { HOSTILE_BODIES } from './hostile-bodies.ts';
import { HOSTILE_HEADERS, HOSTILE_QUERIES, HOSTILE_TARGETS } from './hostile-heads.ts';
import { JSON_HEADER, type Kind, type Request } from './request.ts';

/** A change of a valid request for the worse. */
export interface Hostility {
  kind: Kind;
  what: string;
  change: (valid: Request, number: number) => Partial<Request>;
  /** What it must be refused with; undefined: as the document has it. */
  codes?: string[];
  /** Where the document would have it taken, it may be refused as well. */
  open?: boolean;
  stray?: boolean;
}

const FLIPS = 25;

/** All that is done to this operation by those who do not wish it well. */
export function hostilities(operation: Operation): Hostility[] {
  const kind = 'hostile';
  const ofBody: Hostility[] = HOSTILE_BODIES.map(({ what, bytes, ...more }) => ({
    kind,
    what,
    ...more,
    change: ({ body }) => ({ body: bytes(body!) }),
  }));
  const flips = Array.from(
    { length: FLIPS },
    (): Hostility => ({
      kind,
      what: 'a byte changed',
      open: true,
      change: ({ body }, number) => ({ body: flipped(body!, number) }),
    }),
  );
  const bodyWhereNoneIs: Hostility = {
    kind,
    what: 'with a body',
    change: ({ headers }) => ({ headers: [...headers, JSON_HEADER], body: Buffer.from('{"a":1}') }),
  };
  return [
    ...(operation.body ? [...ofBody, ...flips] : [bodyWhereNoneIs]),
    ...HOSTILE_HEADERS.map(
      ({ what, headers, codes, open = false }): Hostility => ({
        kind,
        what,
        open,
        stray: codes !== undefined,
        ...(codes ? { codes } : {}),
        change: (valid) => ({ headers: headers(valid.headers) }),
      }),
    ),
    ...HOSTILE_TARGETS.map(
      ({ what, target }): Hostility => ({
        kind,
        what: `the target ${what}`,
        stray: true,
        change: (valid) => ({ target: target(valid.target) }),
      }),
    ),
    ...HOSTILE_QUERIES.map(
      ({ what, search }): Hostility => ({
        kind,
        what,
        change: ({ target }) => ({ target: `${target}${target.includes('?') ? '&' : '?'}${search}` }),
      }),
    ),
  ];
}

/** One byte of it changed, left out, or there twice. */
function flipped(body: Buffer, number: number): Buffer {
  const at = number % body.length;
  const [before, byte, after] = [body.subarray(0, at), body.subarray(at, at + 1), body.subarray(at + 1)];
  const within = [Buffer.from([number % 256]), Buffer.alloc(0), Buffer.concat([byte, byte])][number % 3]!;
  return Buffer.concat([before, within, after]);
}
