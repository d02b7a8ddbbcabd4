import { expect, onTestFinished, test } from 'vitest';
import { createToy } from '../test/toy.ts';
import type { Tx } from './sql.ts';
import { type AnyShare, transact } from './transaction.ts';

/** A share that has nothing to do but to be saved. */
function shareWith(save: (tx: Tx) => Promise<[]>): AnyShare {
  return { load: async () => {}, decide: () => [], save } as Partial<AnyShare> as AnyShare;
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
