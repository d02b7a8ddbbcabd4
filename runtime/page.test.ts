import fc from 'fast-check';
import { expect, test } from 'vitest';
import { keysetOf, pageOf } from './page.ts';

const INT8_MAX = 2n ** 63n - 1n;
const encode = (text: string) => Buffer.from(text, 'latin1').toString('base64url');

/** A list of these keys, as a database would answer a keyset. */
function pageFrom(keys: bigint[], query: { limit: number; order: 'asc' | 'desc'; cursor?: string }) {
  const { after, descending, limit } = keysetOf(query);
  const sorted = descending
    ? keys.toSorted((a, b) => (a < b ? 1 : -1))
    : keys.toSorted((a, b) => (a < b ? -1 : 1));
  const beyond = sorted.filter((key) => (descending ? key < BigInt(after) : key > BigInt(after)));
  return pageOf(
    beyond.slice(0, limit + 1),
    limit,
    (key) => key,
    (key) => key,
  );
}

test('page by page a list is told completely, once and in order, in both directions', () => {
  // The very last key is left out: the first page of a descending list begins below it.
  const keys = fc.uniqueArray(fc.bigInt({ min: 1n, max: INT8_MAX - 1n }), { maxLength: 30 });
  fc.assert(
    fc.property(
      keys,
      fc.integer({ min: 1, max: 10 }),
      fc.constantFrom('asc', 'desc'),
      (keys, limit, order) => {
        const told: bigint[] = [];
        let cursor: string | null = null;
        do {
          const page: ReturnType<typeof pageFrom> = pageFrom(keys, {
            limit,
            order,
            ...(cursor ? { cursor } : {}),
          });
          expect(page.items.length === limit || page.next_cursor === null).toBe(true);
          told.push(...page.items);
          cursor = page.next_cursor;
        } while (cursor !== null);
        const ascending = keys.toSorted((a, b) => (a < b ? -1 : 1));
        expect(told).toEqual(order === 'asc' ? ascending : ascending.toReversed());
      },
    ),
  );
});

test('a last page that is exactly full has no next cursor', () => {
  expect(pageFrom([1n, 2n], { limit: 2, order: 'asc' })).toEqual({ items: [1n, 2n], next_cursor: null });
});

test('an empty list is one empty page', () => {
  expect(pageFrom([], { limit: 2, order: 'desc' })).toEqual({ items: [], next_cursor: null });
});

test('a cursor leads both ways from where it was given', () => {
  const { next_cursor: cursor } = pageFrom([1n, 2n, 3n, 4n], { limit: 2, order: 'asc' });
  expect(pageFrom([1n, 2n, 3n, 4n], { limit: 9, order: 'asc', cursor: cursor! }).items).toEqual([3n, 4n]);
  expect(pageFrom([1n, 2n, 3n, 4n], { limit: 9, order: 'desc', cursor: cursor! }).items).toEqual([1n]);
});

test.each([
  '',
  '!',
  'x',
  encode('0'),
  encode('-1'),
  encode('1.5'),
  encode('01'),
  encode(' 1'),
  encode(`${INT8_MAX + 1n}`),
  encode('1e3'),
])('the cursor "%s" is refused by name', (cursor) => {
  expect(() => keysetOf({ limit: 1, order: 'asc', cursor })).toThrow(
    expect.objectContaining({
      code: 'invalid_parameter',
      errors: [{ pointer: 'cursor', detail: 'not a next_cursor of this list' }],
    }),
  );
});

test('any text is refused as a cursor or leads to a key that the database can compare', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string().map(encode), fc.bigInt().map(String).map(encode)),
      (cursor) => {
        let after: string;
        try {
          after = keysetOf({ limit: 1, order: 'asc', cursor }).after;
        } catch (error) {
          expect(error).toMatchObject({ code: 'invalid_parameter' });
          return;
        }
        expect(after).toMatch(/^[1-9]\d*$/);
        expect(BigInt(after) <= INT8_MAX).toBe(true);
      },
    ),
  );
});
