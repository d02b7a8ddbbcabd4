import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createToy } from '../test/toy.ts';
import { fingerprint, type Idempotency, Replies } from './idempotency.ts';
import type { Sql, Tx } from './sql.ts';

const id = (scope: string, key: string, body: unknown = {}): Idempotency => ({
  scope,
  key,
  request: fingerprint(body),
});
const ANNA = 'POST /orders 6';
const BORIS = 'POST /orders 2';
const CREATED = { status: 201, body: { id: 7 } };
const REFUSED = { status: 409, body: { code: 'taken' } };

/** No statement may be asked. */
const silent = (() => {
  throw new Error('a statement was asked');
}) as unknown as Tx;

const load = (sql: Sql, ...ids: Idempotency[]) => sql.begin((tx) => Replies.load(tx, ids));

async function keep(sql: Sql, ...kept: [Idempotency, { status: number; body: object }][]) {
  await sql.begin(async (tx) => {
    const replies = await Replies.load(
      tx,
      kept.map(([each]) => each),
    );
    for (const [each, reply] of kept) replies.add(each, reply);
    replies.save(tx);
  });
}

test('a reply is found again under its key, whole', async () => {
  const { sql } = await createToy();
  await keep(sql, [id(ANNA, 'a'), CREATED], [id(ANNA, 'b'), REFUSED]);
  const replies = await load(sql, id(ANNA, 'b'), id(ANNA, 'a'));
  expect(replies.find(id(ANNA, 'a'))).toEqual(CREATED);
  expect(replies.find(id(ANNA, 'b'))).toEqual(REFUSED);
});

test('a reply is kept in every digit, also where a double would blur it', async () => {
  const { sql } = await createToy();
  const body = {
    balance: (JSON as unknown as { rawJSON(text: string): unknown }).rawJSON('80000000000000.01'),
  };
  await keep(sql, [id(ANNA, 'a'), { status: 200, body }]);
  const found = (await load(sql, id(ANNA, 'a'))).find(id(ANNA, 'a'));
  expect(JSON.stringify(found)).toBe('{"status":200,"body":{"balance":80000000000000.01}}');
});

test('a key belongs to its scope', async () => {
  const { sql } = await createToy();
  await keep(sql, [id(ANNA, 'a'), CREATED], [id(BORIS, 'b'), REFUSED]);
  const replies = await load(sql, id(ANNA, 'b'), id(BORIS, 'a'));
  expect(replies.find(id(ANNA, 'b'))).toBeUndefined();
  expect(replies.find(id(BORIS, 'a'))).toBeUndefined();
});

test('another request under a key is told that the key is in use', async () => {
  const { sql } = await createToy();
  await keep(sql, [id(ANNA, 'a', { price: 1 }), CREATED]);
  const replies = await load(sql, id(ANNA, 'a'));
  expect(replies.find(id(ANNA, 'a', { price: 2 }))).toBe('reused');
  expect(replies.find(id(ANNA, 'a', { price: 1 }))).toEqual(CREATED);
});

test('a reply of the same batch is found before it is kept', () => {
  const replies = new Replies(new Map());
  expect(replies.find(id(ANNA, 'a'))).toBeUndefined();
  replies.add(id(ANNA, 'a'), CREATED);
  expect(replies.find(id(ANNA, 'a'))).toEqual(CREATED);
  expect(replies.find(id(ANNA, 'a', { other: true }))).toBe('reused');
});

test('without keys nothing is asked and nothing found; without new replies nothing is written', async () => {
  const replies = await Replies.load(silent, []);
  expect(replies.find(id(ANNA, 'a'))).toBeUndefined();
  replies.save(silent);
});

test('of two instances that keep a reply under one key the second fails, and can look again', async () => {
  const { sql } = await createToy();
  await keep(sql, [id(ANNA, 'a'), CREATED]);
  const late = new Replies(new Map());
  late.add(id(ANNA, 'a'), REFUSED);
  await expect(sql.begin(async (tx) => late.save(tx))).rejects.toMatchObject({ code: '23505' });
  expect((await load(sql, id(ANNA, 'a'))).find(id(ANNA, 'a'))).toEqual(CREATED);
});

describe('the fingerprint of a body', () => {
  const same = (a: unknown, b: unknown) => fingerprint(a).equals(fingerprint(b));

  test('is, for what is kept already, that of its text with sorted fields for ever', () => {
    const expected = createHash('sha256').update('{"a":{"c":[3,null],"d":2},"b":1}').digest();
    expect(fingerprint({ b: 1, a: { d: 2, c: [3, null] } })).toEqual(expected);
  });

  test('does not depend on the order of fields, at any depth', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(same(value, turned(value))).toBe(true);
      }),
    );
    expect(
      same({ a: 1, b: { c: 2, d: [3, { e: 4, f: 5 }] } }, { b: { d: [3, { f: 5, e: 4 }], c: 2 }, a: 1 }),
    ).toBe(true);
  });

  test('differs where the bodies do', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (a, b) => {
        expect(same(a, b)).toBe(equal(a, b));
      }),
    );
    for (const [a, b] of [
      [
        [1, 2],
        [2, 1],
      ],
      [{ a: 1 }, { a: 2 }],
      [{ a: 1 }, { b: 1 }],
      [{ a: null }, {}],
      [{ 0: 1 }, [1]],
      [
        { a: 1, b: 2 },
        { a: 2, b: 1 },
      ],
    ])
      expect(same(a, b)).toBe(false);
  });
});

/** Every object's fields in the opposite order. */
function turned(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(turned);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(
    Object.entries(value)
      .reverse()
      .map(([key, inner]) => [key, turned(inner)]),
  );
}

/** As JSON: −0 is 0. */
function equal(a: unknown, b: unknown): boolean {
  if (a === null || b === null || typeof a !== 'object' || typeof b !== 'object') return a === b;
  const [keys, others] = [Object.keys(a), Object.keys(b)];
  return (
    Array.isArray(a) === Array.isArray(b) &&
    keys.length === others.length &&
    keys.every((key) => Object.hasOwn(b, key) && equal(a[key as never], b[key as never]))
  );
}
