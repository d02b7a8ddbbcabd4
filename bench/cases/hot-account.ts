import { measureOrders, ordersRow } from '../orders.ts';
import { BASELINE_ONE } from './baseline.ts';
import type { Case } from './case.ts';
import { oursTitle } from './ours.ts';

const CONNECTIONS = 256;

/** All orders of one user, whose account every one of them debits. */
export const hotAccount: Case = {
  name: 'hot-account',
  async run({ site: getSite, size, folder, signal }, round) {
    const site = await getSite();
    const users = { first: site.users.first, last: site.users.first };
    const options = { connections: CONNECTIONS, users, seconds: size.seconds, folder, signal, round };
    const load = await measureOrders(site, options);
    const against = [BASELINE_ONE, oursTitle(CONNECTIONS)];
    return [ordersRow(`ours, one account, ${CONNECTIONS} connections`, load, { against })];
  },
};
