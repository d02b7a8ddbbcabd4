import type { Page } from '@stream-processing/contracts/common.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';

/** Where a page begins, as SQL needs it: keys above `after` (ascending) or below it (descending), `limit` of them. */
export interface Keyset {
  after: string;
  descending: boolean;
  limit: number;
}

const FIRST = '0';
const LAST = '9223372036854775807';
const CURSOR = /^[1-9]\d{0,18}$/;

/** Opaque to the caller: the key of the last item, in base64url. */
export function keysetOf({ cursor, limit, order }: Page): Keyset {
  const descending = order === 'desc';
  if (cursor === undefined) return { after: descending ? LAST : FIRST, descending, limit };
  const after = Buffer.from(cursor, 'base64url').toString('latin1');
  if (!CURSOR.test(after) || BigInt(after) > BigInt(LAST)) {
    const detail = 'not a next_cursor of this list';
    throw new Problem('invalid_parameter', undefined, { errors: [{ pointer: 'cursor', detail }] });
  }
  return { after, descending, limit };
}

/** A list reply from up to `limit + 1` rows: the extra one only shows that there is a next page. */
export function pageOf<Row, Item>(
  rows: Row[],
  limit: number,
  keyOf: (row: Row) => bigint,
  toItem: (row: Row) => Item,
) {
  const more = rows.length > limit;
  const shown = more ? rows.slice(0, limit) : rows;
  const last = shown.at(-1);
  return {
    items: shown.map(toItem),
    next_cursor:
      more && last !== undefined ? Buffer.from(String(keyOf(last)), 'latin1').toString('base64url') : null,
  };
}
