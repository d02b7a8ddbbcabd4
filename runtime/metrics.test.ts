import { expect, test } from 'vitest';
import { createMetrics } from './metrics.ts';

test('a gauge tells what there is when somebody looks, and not what there was before', async () => {
  const { gauge, registry } = createMetrics('order-service');
  let held = [1, 2];
  gauge('lag', 'Of partitions that are worked on.', ['partition'], (set) => {
    for (const partition of held) set(7, { partition });
  });
  const lines = async () => (await registry.metrics()).match(/^lag.*$/gm);
  expect(await lines()).toEqual([
    'lag{partition="1",service="order-service"} 7',
    'lag{partition="2",service="order-service"} 7',
  ]);
  held = [2];
  expect(await lines()).toEqual(['lag{partition="2",service="order-service"} 7']);
});
