import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { expect, test } from 'vitest';
import { line } from '../test/processes.ts';
import { until } from '../test/until.ts';
import { startEmbeddedPostgres } from './postgres.ts';
import { OWNER, ownerAmong, startProcess, temporaryFolder } from './start-process.ts';

const hasPart = async (dataDir: string) =>
  (await readdir(dataDir).catch(() => [])).some((name) => name.startsWith('postgres.part'));

async function isHalfMade(dataDir: string): Promise<boolean> {
  const names = await readdir(dataDir).catch(() => []);
  const part = names.find((name) => name.startsWith('postgres.part'));
  return part !== undefined && existsSync(path.join(dataDir, part, 'global', 'pg_control'));
}

test('of two first starts at the same moment one owns the folder, and the other says so', async () => {
  const dataDir = path.join(await temporaryFolder(), 'data');
  const starts = [startProcess(dataDir), startProcess(dataDir)];
  const owner = await ownerAmong(starts, dataDir);
  owner.child.kill('SIGTERM');
  expect(await owner.ended).toBe(0);
  expect(await hasPart(dataDir)).toBe(false);
  await line(startProcess(dataDir), OWNER);
}, 120_000);

test('a first start that is killed while it creates the cluster is in nobody’s way', async () => {
  const dataDir = path.join(await temporaryFolder(), 'data');
  const first = startProcess(dataDir);
  // From here on initdb is silent for a while: it does not notice at once that nobody listens any more.
  await until('initdb is half done', () => isHalfMade(dataDir), 60_000);
  first.child.kill('SIGKILL');
  const second = startProcess(dataDir);
  await line(second, OWNER);
  second.child.kill('SIGTERM');
  expect(await second.ended).toBe(0);
  await line(startProcess(dataDir), OWNER);
  expect(await hasPart(dataDir)).toBe(false);
}, 120_000);

test('data of another major version of PostgreSQL are one clear line', async () => {
  const dataDir = await temporaryFolder();
  await mkdir(path.join(dataDir, 'postgres'));
  await writeFile(path.join(dataDir, 'postgres', 'PG_VERSION'), '9\n');
  await writeFile(path.join(dataDir, 'password'), 'secret\n');
  await expect(startEmbeddedPostgres({ dataDir })).rejects.toThrow(
    /^DATA_DIR: .* holds data of PostgreSQL 9, and this is PostgreSQL \d+, /,
  );
});
