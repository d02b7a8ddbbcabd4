/** What is done to an installation while callers use it. The words are those of the other proofs. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Sql } from '@stream-processing/runtime/sql.ts';
import type { EmbeddedPostgres } from '../../embedded/postgres.ts';
import type { Random } from '../random.ts';
import type { Instance, Instances } from './instances.ts';

export const FAULTS = {
  kill: 'an instance is killed (SIGKILL) and started again',
  pause: 'an instance stands still (SIGSTOP), loses its leases, and goes on as if nothing had been',
  stop: 'an instance is stopped gracefully (SIGTERM) in the midst of requests, and started again',
  cut: 'all connections to PostgreSQL are cut',
  restart: 'PostgreSQL is restarted',
  crash: 'PostgreSQL crashes (immediate shutdown) and recovers',
} as const;

export type Fault = keyof typeof FAULTS;

/** Of 100 faults. */
const SHARE: Record<Fault, number> = { kill: 60, pause: 12, stop: 12, cut: 8, restart: 4, crash: 4 };
/** Longer than PostgreSQL waits for an idle transaction. */
const PAUSE_MS = [2000, 11_000] as const;

/** One of `faults`, each as often as its share. */
export function draw(random: Random, faults: readonly Fault[]): Fault {
  let left = random.next() * faults.reduce((sum, fault) => sum + SHARE[fault], 0);
  for (const fault of faults) {
    left -= SHARE[fault];
    if (left < 0) return fault;
  }
  return faults.at(-1)!;
}

export interface Targets {
  instances: Instances;
  postgres: EmbeddedPostgres;
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
    case 'stop':
      await victim.send('SIGTERM');
      harmed();
      return victim.start();
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
  }
}

/** Its leases are advisory locks of a connection: cut that, and another instance takes over while the victim sleeps. */
async function pause(victim: Instance, targets: Targets, harmed: () => void): Promise<void> {
  await victim.send('SIGSTOP');
  try {
    await cut(targets, '% leases');
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
      where datname = current_database() and pid <> pg_backend_pid() and application_name like ${name}
        and application_name <> 'stream-processing owner'`;
  } finally {
    await sql.end();
  }
}
