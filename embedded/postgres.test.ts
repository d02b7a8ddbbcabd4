import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect } from '@stream-processing/runtime/sql.ts';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../test/until.ts';
import { startEmbeddedPostgres } from './postgres.ts';

test('a data folder stays its owner’s through a crash of PostgreSQL', async () => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stream-processing-owner-'));
  const postgres = await startEmbeddedPostgres({ dataDir, settings: { shared_buffers: '32MB' } });
  onTestFinished(async () => {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  const inUse = `DATA_DIR: ${dataDir} is in use by another running stream-processing`;
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(inUse);
  await postgres.restart('immediate');
  const sql = connect(postgres.urlOf('postgres'), { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => sql.end());
  await until('the owner holds its lock again', async () => {
    const [row] = await sql`select 1 from pg_locks where locktype = 'advisory' and objid = 1`;
    return row !== undefined;
  });
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(inUse);
  // A cluster of its own, and two waits of 5 s.
}, 120_000);
