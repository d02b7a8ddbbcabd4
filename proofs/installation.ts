/** What the proofs that start real processes have in common: a PostgreSQL of their own, and the look at what is left. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { eachService, type ServiceName } from '@stream-processing/contracts/names.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../embedded/postgres.ts';
import { audit, lines, withLooks } from './audit/audit.ts';

const REST_MS_MAX = 60_000;

/** In a temporary folder, which is removed after the work. */
export async function withPostgres(
  proof: string,
  work: (postgres: EmbeddedPostgres, folder: string) => Promise<number>,
): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), `stream-processing-${proof}-`));
  // For the account that PostgreSQL runs as.
  await chmod(folder, 0o711);
  try {
    const postgres = await startEmbeddedPostgres({ dataDir: path.join(folder, 'data') });
    try {
      return await work(postgres, folder);
    } finally {
      await postgres.stop();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Nothing pending, nothing unapplied. */
export async function untilRest(urls: Record<ServiceName, string>): Promise<void> {
  const deadline = performance.now() + REST_MS_MAX;
  for (;;) {
    const left = await withLooks(urls, (looks) => audit(looks, { atRest: true, only: 'atRest' }));
    if (left.length === 0) return;
    // The audit that follows tells what is left.
    if (performance.now() > deadline) return;
    await delay(200);
  }
}

/** Of an installation at rest: a line for each invariant that does not hold. */
export async function auditAll(urls: Record<ServiceName, string>): Promise<string[]> {
  const broken = await withLooks(urls, (looks) => audit(looks, { atRest: true }));
  return lines(broken);
}

/** All services on one database. */
export function urlsOf(url: string): Record<ServiceName, string> {
  return eachService(() => url);
}
