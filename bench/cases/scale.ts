/**
 * `--case scale`: services in processes of their own, events by PostgreSQL and by three Kafka brokers in turn; several
 * instances; and (scale-broker.ts) a broker that dies. Not part of a run of all cases, since brokers need Java.
 */
import type { Row } from '../report.ts';
import {
  type Cpu,
  LOGS,
  type Log,
  type Measured,
  measure,
  measureRest,
  offer,
  TITLE,
  withApart,
} from '../scale-site.ts';
import type { Case } from './case.ts';

/** Of more than 2,048 orders at once some are refused, by design (runtime/admission.ts). */
const CONNECTIONS = [1, 64, 256, 1024, 2000];
const INSTANCES = [1, 2, 4];
/** Orders a second that every number of instances is offered; and how many callers each instance has in a closed loop. */
const OFFERED = [100, 400];
const CROWD = 512;

/** Four processes, events by PostgreSQL and by Kafka: with as many callers each, and each with as many as suit it best. */
export const scaleLogs: Case = {
  name: 'scale-logs',
  asked: true,
  async run(context, round) {
    const rows: Row[] = [];
    for (const log of LOGS) {
      const tell = (name: (of: Log) => string, row: Omit<Row, 'name'>) =>
        rows.push({ ...row, name: name(log), ...(log === 'kafka' ? { against: [name('postgres')] } : {}) });
      await withApart(context, { log, instances: 1 }, async (site) => {
        let most = 0;
        for (const connections of CONNECTIONS) {
          const { row } = await measure(context, site, { connections, round });
          const name = (of: Log) => `apart, events ${TITLE[of]}, ${connections}`;
          tell(name, row);
          if (connections === 1) tell((of) => `${name(of)}: p50`, { value: row.p50_ms!, unit: 'ms' });
          most = Math.max(most, row.value);
        }
        tell((of) => `apart, events ${TITLE[of]}, most`, { value: most, unit: 'orders/s' });
      });
    }
    return rows;
  },
};

/**
 * What an order costs with 1, 2 and 4 instances of each service: when all are offered the same, and when each instance has as many
 * callers, who ask as fast as they are answered. Where the cores are full, cost is what they have for each order, whoever takes
 * it. What processes take at rest is no order's cost: it is told by itself. By Kafka each service has a database of its own, which
 * is what Kafka is for.
 */
export const scaleInstances: Case = {
  name: 'scale-instances',
  asked: true,
  async run(context, round) {
    const rows: Row[] = [];
    for (const log of LOGS) {
      for (const instances of INSTANCES) {
        await withApart(context, { log, instances, databaseEach: log === 'kafka' }, async (site) => {
          const nameOf = (count: number, load: string) =>
            `${count} × 4 processes, events ${TITLE[log]}, ${load}`;
          const tell = (what: string, unit: string, cpu: Cpu) => {
            rows.push({
              name: nameOf(instances, what),
              value: cpu.node + cpu.postgres + cpu.kafka,
              unit,
              ...(instances > 1 ? { against: [nameOf(1, what)] } : {}),
              note: `Node ${cpu.node.toFixed(0)}, PostgreSQL ${cpu.postgres.toFixed(0)}, Kafka ${cpu.kafka.toFixed(0)}`,
            });
          };
          const rest = await measureRest(context, site);
          tell(
            'at rest',
            'ms CPU/s',
            each(rest, (cpu) => cpu * 1000),
          );
          const tellOf = (load: string, { row, accepted, seconds, cpu }: Measured) => {
            rows.push({ ...row, name: nameOf(instances, load) });
            const perOrder = each(
              cpu,
              (spent, part) => (Math.max(0, spent - rest[part] * seconds) / accepted) * 1e6,
            );
            tell(`${load}: cost beyond rest`, 'µs CPU/order', perOrder);
          };
          for (const rate of OFFERED) tellOf(`${rate} offered`, await offer(context, site, rate));
          const crowd = { connections: CROWD * instances, round };
          tellOf(`${CROWD} connections each`, await measure(context, site, crowd));
        });
      }
    }
    return rows;
  },
};

function each(cpu: Cpu, change: (value: number, part: keyof Cpu) => number): Cpu {
  const { node, postgres, kafka } = cpu;
  return {
    node: change(node, 'node'),
    postgres: change(postgres, 'postgres'),
    kafka: change(kafka, 'kafka'),
  };
}
