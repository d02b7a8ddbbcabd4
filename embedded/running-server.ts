import { readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const READY_MS_MAX = 60_000;

/**
 * The port of 127.0.0.1 on which a PostgreSQL listens that already runs on this cluster, left by a process that was
 * killed; undefined when none does.
 */
export async function runningServer(cluster: string): Promise<number | undefined> {
  const pidFile = path.join(cluster, 'postmaster.pid');
  const deadline = performance.now() + READY_MS_MAX;
  while (performance.now() < deadline) {
    const text = await readFile(pidFile, 'utf8').catch(() => undefined);
    if (text === undefined) return undefined;
    // Lines: pid, data folder, start time, port, socket folder, address, shared memory, state.
    const lines = text.split('\n').map((line) => line.trim());
    if (!(await isPostgres(Number(lines[0])))) return undefined;
    if (lines[7] === 'ready') return Number(lines[3]);
    // It starts, recovers or stops.
    await delay(50);
  }
  throw new Error(`PostgreSQL on ${cluster} runs but does not become ready; see postgres.log there`);
}

/**
 * A pid file whose process is gone, or is by now some other program, would keep PostgreSQL from starting. One start at a time may
 * ask: else the file could by now be another's, whose server ends without it.
 */
export async function removeStalePidFile(cluster: string): Promise<void> {
  if ((await pidOf(cluster)) === undefined) await rm(path.join(cluster, 'postmaster.pid'), { force: true });
}

/** Of the server that runs on this cluster, also while it starts, recovers or stops. */
export async function pidOf(cluster: string): Promise<number | undefined> {
  const text = await readFile(path.join(cluster, 'postmaster.pid'), 'utf8').catch(() => '');
  const pid = Number(text.split('\n')[0]);
  return (await isPostgres(pid)) ? pid : undefined;
}

export async function isPostgres(pid: number): Promise<boolean> {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ESRCH') return false;
  }
  // Without /proc the living process is taken for PostgreSQL, as pg_ctl itself does.
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  return command === undefined ? process.platform !== 'linux' : command.includes('postgres');
}
