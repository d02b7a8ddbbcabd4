import { existsSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbeddedPostgres } from '../embedded/postgres.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** Of the server's database `postgres`; each test makes databases of its own. */
    postgresUrl: string;
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
const LEAVE_MS_MAX = 5000;

/** One real PostgreSQL for all tests, in a temporary folder. */
export default async function setup(project: TestProject) {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stream-processing-test-'));
  // At a signal vitest ends without asking for what is below, and PostgreSQL would go on for ever.
  const leave = (signal: (typeof SIGNALS)[number]) => process.exit(128 + constants.signals[signal]);
  const abandon = () => {
    killNow(path.join(dataDir, 'postgres', 'postmaster.pid'));
    rmSync(dataDir, { recursive: true, force: true });
  };
  for (const signal of SIGNALS) process.on(signal, leave);
  process.on('exit', abandon);
  const postgres = await startEmbeddedPostgres({ dataDir });
  project.provide('postgresUrl', postgres.urlOf('postgres'));
  return async () => {
    await postgres.stop();
    process.off('exit', abandon);
    for (const signal of SIGNALS) process.off(signal, leave);
    await rm(dataDir, { recursive: true, force: true });
  };
}

/** An immediate shutdown, waited for without the event loop, which is over when a process exits. */
function killNow(pidFile: string): void {
  if (!existsSync(pidFile)) return;
  const pidIn = () => /^(\d+)\n/.exec(readFileSync(pidFile, 'utf8'))?.[1];
  // A server that starts at this very moment has made the file and not written it yet.
  waitNow(() => !existsSync(pidFile) || pidIn() !== undefined);
  const pid = existsSync(pidFile) && Number(pidIn());
  if (!pid || !runs(pid)) return;
  process.kill(pid, 'SIGQUIT');
  waitNow(() => !runs(pid));
}

function waitNow(holds: () => boolean): void {
  const sleep = new Int32Array(new SharedArrayBuffer(4));
  for (let ms = 0; ms < LEAVE_MS_MAX && !holds(); ms += 20) Atomics.wait(sleep, 0, 0, 20);
}

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
