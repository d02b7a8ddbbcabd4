import type { Room } from '@stream-processing/runtime/definition.ts';
import { createMetrics } from '@stream-processing/runtime/metrics.ts';
import { expect, test } from 'vitest';
import type { Command, Decision, Order, State } from './decide.ts';
import { Waiters } from './waiters.ts';

const order: Order = {
  id: 1,
  user_id: 1,
  price: 1n,
  status: 'confirmed',
  message: 'paid',
  created_at: new Date(),
};

function waiters() {
  let tell: (decisions: Decision[]) => void = () => {};
  const room = {
    onDecisions: (listener) => {
      tell = listener;
    },
    watch: () => () => {},
    metrics: createMetrics('order-service'),
  } as Partial<Room<State, Command, Decision>> as Room<State, Command, Decision>;
  return { waiters: new Waiters(room), settle: () => tell([{ outcome: 'settled', order }]) };
}

test('with more orders waiting than are decided in a moment there is no room for another', async () => {
  const { waiters: all, settle } = waiters();
  const opened = Array.from({ length: 2048 }, (_, id) => all.open({ id: id + 2, user_id: 1 })!);
  const mine = all.open(order)!;
  settle();
  expect(all.full).toBe(true);
  expect(await mine.wait(1000)).toBe(order);
  opened.pop()!.close();
  expect(all.full).toBe(false);
});

test('while billing decides nothing, orders are taken', () => {
  const { waiters: all } = waiters();
  for (let id = 0; id < 2400; id += 1) all.open({ id, user_id: 1 });
  expect(all.full).toBe(false);
});
