import { chmod, mkdtemp, rm } from 'node:fs/promises';
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

test('a data folder may lie in folders that are not there yet, and goes to whoever waits for it when its owner leaves', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-nested-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await chmod(folder, 0o711);
  const dataDir = path.join(folder, 'not', 'there', 'data');
  const settings = { shared_buffers: '32MB' };
  const first = await startEmbeddedPostgres({ dataDir, settings });
  const waiting = startEmbeddedPostgres({ dataDir, settings });
  waiting.catch(() => {});
  await first.stop();
  const second = await waiting;
  onTestFinished(() => second.stop());
  const sql = connect(second.url, { max: 1, name: 'test', schema: 'public' });
  onTestFinished(() => sql.end());
  expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
}, 120_000);
