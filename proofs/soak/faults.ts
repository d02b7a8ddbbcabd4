/** What is done to an installation while callers use it. The words are those of the other proofs. */
import { setTimeout as delay } from 'node:timers/promises';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import type { Sql } from '@stream-processing/runtime/sql.ts';
import type { EmbeddedPostgres } from '../../embedded/postgres.ts';
import type { Broker } from '../../kafka/broker.ts';
import type { Cluster } from '../../kafka/cluster.ts';
import { DEFINITIONS } from '../../services/definitions.ts';
import type { Random } from '../random.ts';
import type { Instance, Instances } from './instances.ts';

export const FAULTS = {
  kill: 'an instance is killed (SIGKILL) and started again',
  pause: 'an instance stands still (SIGSTOP), loses its leases, and goes on as if nothing had been',
  stop: 'an instance is stopped gracefully (SIGTERM) in the midst of requests, and started again',
  cut: 'all connections to PostgreSQL are cut',
  restart: 'PostgreSQL is restarted',
  crash: 'PostgreSQL crashes (immediate shutdown) and recovers',
  broker: 'a Kafka broker is killed (SIGKILL) and started again',
  network: 'the services are cut off from all brokers for a while',
  wipe: 'a Kafka broker is killed, loses its data and is started again',
  topic: 'a topic is deleted',
} as const;

export type Fault = keyof typeof FAULTS;

/** Need brokers. */
const KAFKA_FAULTS: readonly Fault[] = ['broker', 'network', 'wipe', 'topic'];

/** Those that can be done where events travel by `log`. */
export function faultsOf(log: 'postgres' | 'kafka'): Fault[] {
  const all = Object.keys(FAULTS) as Fault[];
  return log === 'kafka' ? all : all.filter((fault) => !KAFKA_FAULTS.includes(fault));
}

/** How often, next to one another. */
const SHARE: Record<Fault, number> = {
  ...{ kill: 60, pause: 12, stop: 12, cut: 8, restart: 4, crash: 4 },
  ...{ broker: 30, network: 8, wipe: 5, topic: 5 },
};
/** Longer than PostgreSQL waits for an idle transaction. */
const PAUSE_MS = [2000, 11_000] as const;
/** The longer ones outlast a broker's session. */
const DOWN_MS = [0, 5000] as const;
const APART_MS = [500, 4000] as const;

/** One of `faults`, each as often as its share. */
export function draw(random: Random, faults: readonly Fault[]): Fault {
  let left = random.next() * faults.reduce((sum, fault) => sum + SHARE[fault], 0);
  for (const fault of faults) {
    left -= SHARE[fault];
    if (left < 0) return fault;
  }
  return faults.at(-1)!;
}

export const TOPIC_PREFIX = 'soak.';
/** Whose topics somebody reads. */
const FOLLOWED = SERVICES.filter((service) =>
  SERVICES.some((other) => DEFINITIONS[other].follows.some((source) => source === service)),
);

export interface Targets {
  instances: Instances;
  /** Something that must not be, as it is seen. */
  onViolation: (what: string) => void;
  postgres: EmbeddedPostgres;
  /** undefined: events travel by PostgreSQL. */
  kafka: Cluster | undefined;
  /** For cutting connections: one that is made anew for each use. */
  admin: () => Sql;
  random: Random;
}

/**
 * Does it and undoes it: afterwards everything runs again, though it may not have recovered yet. `harmed` is called when
 * the harm is done, which with an instance that stands still or is dead is long before it is undone.
 */
export async function commit(fault: Fault, targets: Targets, harmed: () => void): Promise<void> {
  const { instances, postgres, random } = targets;
  const victim = random.pick(instances.all);
  switch (fault) {
    case 'kill':
      await victim.send('SIGKILL');
      harmed();
      return victim.start();
    case 'stop': {
      const code = await victim.ask();
      harmed();
      if (code !== 0) targets.onViolation(`${victim.name} was asked to stop, and ended with ${code}`);
      return victim.start();
    }
    case 'pause':
      return pause(victim, targets, harmed);
    case 'cut':
      await cut(targets, '%');
      return harmed();
    case 'restart':
      await postgres.restart('fast');
      return harmed();
    case 'crash':
      await postgres.restart('immediate');
      return harmed();
    case 'broker':
      return failBroker(targets, harmed, async () => {});
    case 'wipe':
      return failBroker(targets, harmed, (broker) => broker.wipe());
    case 'network':
      targets.kafka!.cut();
      harmed();
      await delay(random.integer(...APART_MS));
      return targets.kafka!.mend();
    case 'topic':
      await targets.kafka!.deleteTopic(`${TOPIC_PREFIX}${random.pick(FOLLOWED)}`);
      return harmed();
  }
}

/** The next fault comes when all brokers hold everything again: two at once are more than three brokers promise to bear. */
async function failBroker(
  { kafka, random }: Targets,
  harmed: () => void,
  whileDown: (broker: Broker) => Promise<void>,
): Promise<void> {
  const broker = random.pick(kafka!.nodes);
  await broker.kill();
  harmed();
  await delay(random.integer(...DOWN_MS));
  await whileDown(broker);
  await broker.start();
  await kafka!.untilInSync();
}

/** It loses its leases after six seconds; where its connections are cut, at once. */
async function pause(victim: Instance, targets: Targets, harmed: () => void): Promise<void> {
  await victim.send('SIGSTOP');
  try {
    if (targets.random.chance(0.5)) await cut(targets, '% leases');
    harmed();
    await delay(targets.random.integer(...PAUSE_MS));
  } finally {
    await victim.send('SIGCONT');
  }
}

async function cut({ admin }: Targets, name: string): Promise<void> {
  const sql = admin();
  try {
    await sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name like ${name}
        and application_name <> 'stream-processing owner'`;
  } finally {
    await sql.end();
  }
}
