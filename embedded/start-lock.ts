import { chown } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';
import type { Account } from './unprivileged.ts';

/** A server that recovers, which the one before us may wait for, takes as long. */
const WAIT_MS_MAX = 60_000;
const RETRY_MS = 50;
const SQLITE_BUSY = 5;

/**
 * One start at a time in a data folder. It copies programs, creates the cluster and starts the server, and only then is there
 * the lock of its owner. The lock is SQLite's on a file that stays empty: the system takes it back when the process ends,
 * however it ends, so no pid has to be believed.
 */
export async function oneAtATime<T>(
  dataDir: string,
  account: Account | undefined,
  start: () => Promise<T>,
): Promise<T> {
  const file = path.join(dataDir, 'start.lock');
  const lock = await locked(file, dataDir);
  try {
    // That account's own start must be able to take it too.
    if (account) await chown(file, account.uid, account.gid);
    return await start();
  } finally {
    lock.close();
  }
}

async function locked(file: string, dataDir: string): Promise<DatabaseSync> {
  let lock: DatabaseSync | undefined;
  const deadline = performance.now() + WAIT_MS_MAX;
  for (;;) {
    try {
      lock ??= new DatabaseSync(file, { timeout: 0 });
      // Without a journal in a file of its own.
      lock.exec('pragma journal_mode = memory; begin exclusive');
      return lock;
    } catch (error) {
      const { errcode, message } = error as Error & { errcode?: number };
      if (errcode === SQLITE_BUSY && performance.now() < deadline) {
        await delay(RETRY_MS);
        continue;
      }
      lock?.close();
      throw new StartupError(
        errcode === SQLITE_BUSY
          ? `DATA_DIR: another stream-processing has been starting in ${dataDir} for ${WAIT_MS_MAX / 1000} s`
          : `DATA_DIR: ${file} cannot be locked: ${message}`,
      );
    }
  }
}
