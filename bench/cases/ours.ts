import { measureOrders, ordersRow } from '../orders.ts';
import { BASELINE_UNIFORM } from './baseline.ts';
import type { Case } from './case.ts';

export const oursTitle = (connections: number) =>
  `ours, ${connections} ${connections === 1 ? 'connection' : 'connections'}`;

/** `POST /orders` of random users. */
export function oursAt(connections: number): Case {
  return {
    name: `ours-${connections}`,
    async run({ site, size, folder, signal }, round) {
      const options = { connections, seconds: size.seconds, folder, signal, round };
      const load = await measureOrders(await site(), options);
      return [ordersRow(oursTitle(connections), load, { against: [BASELINE_UNIFORM] })];
    },
  };
}
