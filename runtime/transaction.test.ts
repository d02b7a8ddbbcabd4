import { expect, onTestFinished, test } from 'vitest';
import { cutAtCommit } from '../test/cutting-proxy.ts';
import { connectFor, createToy } from '../test/toy.ts';
import type { Tx } from './sql.ts';
import { type AnyShare, transact } from './transaction.ts';

/** A share that has nothing to do but to be saved. */
function shareWith(save: (tx: Tx) => Promise<[]>): AnyShare {
  const share: Partial<AnyShare> = {
    load: async () => {},
    decide: () => [],
    save,
    committed: () => {},
    announce: () => {},
  };
  return share as AnyShare;
}

test('a share that throws while it is saved fails the transaction, and not the process', async () => {
  const { sql } = await createToy();
  const unhandled: unknown[] = [];
  const listen = (error: unknown) => void unhandled.push(error);
  process.on('unhandledRejection', listen);
  onTestFinished(() => void process.off('unhandledRejection', listen));
  const sound = shareWith(async (tx) => {
    await tx`update counters set value = value`;
    return [];
  });
  const broken = shareWith(() => {
    throw new TypeError('not a value for a statement');
  });
  await expect(transact(sql, [sound, broken])).rejects.toThrow('not a value for a statement');
  await new Promise(setImmediate);
  expect(unhandled).toEqual([]);
});

const insertOne = shareWith(async (tx) => {
  void tx`insert into counters values (1, 1)`;
  return [];
});

test('with nothing to load all of a transaction travels at once, and a commit whose answer was lost is found', async () => {
  const { sql, url } = await createToy();
  const proxy = await cutAtCommit(url, 'answer');
  expect(await transact(connectFor(proxy.url, 1), [insertOne])).toEqual([insertOne]);
  expect(proxy.cuts()).toBe(1);
  expect(await sql`select * from counters`).toEqual([{ user_id: 1n, value: 1n }]);
});

test('a transaction of which nothing was answered at all, not even its id, has an unknown outcome', async () => {
  const { sql, url } = await createToy();
  const proxy = await cutAtCommit(url, 'request');
  await expect(transact(connectFor(proxy.url, 1), [insertOne])).rejects.toMatchObject({
    code: 'outcome_unknown',
  });
  expect(await sql`select * from counters`).toEqual([]);
});
