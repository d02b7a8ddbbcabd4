import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { startEmbeddedPostgres } from '../embedded/postgres.ts';
import { connect } from './sql.ts';
import { ConnectionLost } from './sql-errors.ts';

test('after a failover nobody stays with a server that only follows: neither reads, which would be late, nor locks', async () => {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stream-processing-standby-'));
  const postgres = await startEmbeddedPostgres({ dataDir, settings: { shared_buffers: '32MB' } });
  onTestFinished(async () => {
    await postgres.stop();
    await rm(dataDir, { recursive: true, force: true });
  });
  const options = { max: 1, name: 'test', schema: 'public', lasting: true };
  const sql = connect(postgres.url, options);
  onTestFinished(() => sql.end());
  expect(await sql`select 1 as one`).toEqual([{ one: 1 }]);
  const signal = path.join(dataDir, 'postgres', 'standby.signal');
  await writeFile(signal, '');
  await postgres.restart('fast');
  // The first one may meet the connection that the restart has broken.
  await sql`select 1`.catch(() => {});
  await expect(sql`select 1`).rejects.toThrow('the server is a standby');
  await expect(sql.begin((tx) => tx`select 1`)).rejects.toBeInstanceOf(ConnectionLost);
  const auditor = connect(postgres.url, { ...options, standby: true });
  onTestFinished(() => auditor.end());
  expect(await auditor`select pg_is_in_recovery() as follows`).toEqual([{ follows: true }]);
  await rm(signal);
  await postgres.restart('fast');
  expect(await sql`select pg_is_in_recovery() as follows`).toEqual([{ follows: false }]);
  // A cluster of its own, started three times.
}, 120_000);
