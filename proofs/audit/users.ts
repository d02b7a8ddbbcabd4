import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';
import { appliedBy, chunks, type Invariant, type Looks, removedFrom } from './invariant.ts';

interface Created {
  partition: number;
  position: bigint;
  user_id: bigint;
  locale: string;
  email: string;
}

interface Known {
  id: bigint;
  locale: string;
  /** Not every service knows it. */
  email?: string;
}

export const USERS: Invariant[] = [
  {
    name: 'every user was announced once',
    async look(looks) {
      const tx = looks['user-service'];
      const find = (ids: bigint[]) =>
        tx<Known[]>`select id, locale, email from users where id = any(${ids}::bigint[])`;
      const { announced, offences } = await compare(looks, 'user-service', find);
      const [counted] = await tx<{ users: number }[]>`select count(*)::int as users from users`;
      if (counted!.users !== announced)
        offences.push({ users_more_than_announced: counted!.users - announced });
      return { looked: `${counted!.users} users`, offences };
    },
  },
  {
    name: 'every user has exactly one account, and every account of a user has its user',
    async look(looks) {
      const tx = looks['billing-service'];
      const [counted] = await tx<
        { accounts: number }[]
      >`select count(*)::int as accounts from accounts where id > 0`;
      const { announced, offences } = await compare(
        looks,
        'billing-service',
        (ids) => tx<Known[]>`select id, locale from accounts where id = any(${ids}::bigint[])`,
      );
      if (counted!.accounts !== announced)
        offences.push({ accounts_more_than_users: counted!.accounts - announced });
      return { looked: `${counted!.accounts} accounts of users`, offences };
    },
  },
  ...(['order-service', 'notification-service'] as const).map((service) => ({
    name: `${service} knows every user as announced`,
    async look(looks: Looks) {
      const tx = looks[service];
      const [counted] = await tx<{ users: number }[]>`select count(*)::int as users from known_users`;
      const { announced, offences } = await compare(
        looks,
        service,
        (ids) => tx<Known[]>`select * from known_users where id = any(${ids}::bigint[])`,
      );
      if (counted!.users !== announced)
        offences.push({ known_more_than_announced: counted!.users - announced });
      return { looked: `${counted!.users} users`, offences };
    },
  })),
];

/** Every announcement that `service` has applied has its row there, and no other has. */
async function compare(
  looks: Looks,
  service: ServiceName,
  find: (ids: bigint[]) => Promise<Known[]>,
): Promise<{ announced: number; offences: object[] }> {
  const offences: object[] = [];
  const isApplied = service === 'user-service' ? () => true : await appliedBy(looks, service, 'user-service');
  let announced = await removedFrom(looks, 'user-service', service);
  for await (const events of announcements(looks['user-service'])) {
    const rows = new Map((await find(events.map((event) => event.user_id))).map((row) => [row.id, row]));
    for (const event of events) {
      const applied = isApplied(event);
      if (applied) announced += 1;
      const row = rows.get(event.user_id);
      const isAsAnnounced = row?.locale === event.locale && (row.email ?? event.email) === event.email;
      if (applied ? !isAsAnnounced : row !== undefined) offences.push({ event, row, applied });
    }
  }
  return { announced, offences };
}

function announcements(tx: Tx): AsyncIterable<Created[]> {
  return chunks<Created>(
    (after, limit) => tx<Created[]>`
      select partition, position, user_id, data->>'locale' as locale, data->>'email' as email from log
      where (partition, position) > (${after?.partition ?? -1}::int, ${after?.position ?? 0n}::bigint)
      order by partition, position limit ${limit}`,
  );
}
