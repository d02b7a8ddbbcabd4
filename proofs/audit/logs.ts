import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import type { Tx } from '@stream-processing/runtime/sql.ts';
import { DEFINITIONS } from '../../services/definitions.ts';
import { type Invariant, type Looks, OFFENCES_MAX, partitionsOf } from './invariant.ts';

/** Logs and cursors: of every service the same. */
export const LOGS: Invariant[] = [
  {
    name: "every log's positions are dense, from what was removed up to its head",
    async look(looks) {
      let events = 0;
      const offences = await ofEach(looks, async (tx) => {
        const rows = await tx<
          { partition: number; floor: bigint; head: bigint; events: bigint; first: bigint; last: bigint }[]
        >`
          select partition, f.position as floor, h.position as head, count(l.position) as events,
            coalesce(min(l.position), f.position + 1) as first, coalesce(max(l.position), f.position) as last
          from log_head h full join log_floor f using (partition) full join log l using (partition)
          group by partition, f.position, h.position`;
        for (const row of rows) events += Number(row.events);
        // As many different positions as from the first to the last: the primary key keeps them different.
        return rows.filter(
          ({ floor, head, events, first, last }) =>
            first !== floor + 1n || last !== head || events !== last - first + 1n,
        );
      });
      return { looked: `${events} events`, offences };
    },
  },
  {
    name: 'every event lies in the partition of its user',
    async look(looks) {
      let events = 0;
      const offences = await ofEach(looks, async (tx) => {
        const [counted] = await tx<{ events: number }[]>`select count(*)::int as events from log`;
        events += counted!.events;
        return tx`
          select partition, position, user_id from log
          where partition <> user_id % (select value::int from installation where setting = 'partitions')
          limit ${OFFENCES_MAX}`;
      });
      return { looked: `${events} events`, offences };
    },
  },
  {
    name: 'every service has a cursor for each partition of each log that it follows',
    async look(looks) {
      let cursors = 0;
      const offences = await ofEach(looks, async (tx, service) => {
        const missing = await tx<{ source: string; partition: number; is_there: boolean }[]>`
          select source, partition, c.position is not null as is_there
          from unnest(${[...DEFINITIONS[service].follows]}::text[]) as source
            cross join generate_series(0, ${(await partitionsOf(tx)) - 1}::int) as partition
            left join cursor c using (source, partition)`;
        cursors += missing.length;
        return missing.flatMap(({ is_there, ...place }) => (is_there ? [] : place));
      });
      return { looked: `${cursors} cursors`, offences };
    },
  },
  {
    name: 'no cursor is beyond the log that it follows',
    look: (looks) => compareCursors(looks, (cursor, head) => cursor > head),
  },
  {
    name: 'every event is applied by all who follow its log',
    atRest: true,
    look: (looks) => compareCursors(looks, (cursor, head) => cursor < head),
  },
];

async function ofEach(
  looks: Looks,
  look: (tx: Tx, service: ServiceName) => Promise<object[]>,
): Promise<object[]> {
  const found = [];
  for (const service of SERVICES) {
    for (const offence of await look(looks[service], service)) found.push({ service, ...offence });
  }
  return found;
}

/** Heads are read after the cursors, so that a cursor that moved meanwhile is not beyond them. */
async function compareCursors(looks: Looks, offends: (cursor: bigint, head: bigint) => boolean) {
  let cursors = 0;
  const offences: object[] = [];
  for (const service of SERVICES) {
    const rows = await looks[service]<{ source: ServiceName; partition: number; position: bigint }[]>`
      select source, partition, position from cursor order by source, partition`;
    cursors += rows.length;
    for (const source of new Set(rows.map((row) => row.source))) {
      const heads = await looks[source]<{ partition: number; position: bigint }[]>`
        select partition, position from log_head`;
      const headOf = new Map(heads.map(({ partition, position }) => [partition, position]));
      for (const { partition, position } of rows.filter((row) => row.source === source)) {
        const head = headOf.get(partition) ?? 0n;
        if (offends(position, head)) offences.push({ service, source, partition, cursor: position, head });
      }
    }
  }
  return { looked: `${cursors} cursors`, offences };
}
