import { expect, test } from 'vitest';
import { connectFor, createToy } from '../test/toy.ts';
import type { Sql } from './sql.ts';
import { fateOf, identify } from './transaction-fate.ts';

test('a transaction is found committed or aborted by its id', async () => {
  const { sql } = await createToy();
  const committed = await sql.begin(identify);
  expect(await fateOf(sql, committed)).toBe('committed');
  let aborted: Awaited<ReturnType<typeof identify>> | undefined;
  const failing = sql.begin(async (tx) => {
    aborted = await identify(tx);
    throw new Error('rolled back');
  });
  await expect(failing).rejects.toThrow('rolled back');
  expect(await fateOf(sql, aborted!)).toBe('aborted');
});

test('one that is still under way is waited for', async () => {
  const { sql, url } = await createToy();
  let fate: Promise<string> | undefined;
  await connectFor(url).begin(async (tx) => {
    fate = fateOf(sql, await identify(tx));
    await tx`select pg_sleep(0.2)`;
  });
  expect(await fate).toBe('committed');
});

test('an id that the server has not given yet was lost in a crash', async () => {
  const { sql } = await createToy();
  const { xid, incarnation } = await sql.begin(identify);
  const future = String(BigInt(xid) + 1_000_000n);
  expect(await fateOf(sql, { xid: future, incarnation })).toBe('aborted');
});

test('an id from before a crash may be that of another transaction by now: its commit tells nothing', async () => {
  const { sql } = await createToy();
  const { xid } = await sql.begin(identify);
  expect(await fateOf(sql, { xid, incarnation: 'before the crash' })).toBe('unknown');
});

test('an error that says nothing of it is no answer: it is asked again', async () => {
  const { sql } = await createToy();
  const committed = await sql.begin(identify);
  let asked = 0;
  const failing = ((...args: Parameters<Sql>) => {
    asked += 1;
    return asked === 1
      ? Promise.reject(Object.assign(new Error('cancelled'), { code: '57014' }))
      : sql(...args);
  }) as unknown as Sql;
  expect(await fateOf(failing, committed)).toBe('committed');
  expect(asked).toBe(2);
});
