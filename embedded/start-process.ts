/** For tests: starts of the embedded PostgreSQL in processes of their own, as two `npm start` are. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { type RunningProcess, runNode } from '../test/processes.ts';
import { until } from '../test/until.ts';
import { isPostgres, pidOf } from './running-server.ts';

const PROGRAM = `
  import { runUntilStopped } from '@stream-processing/runtime/main.ts';
  import { startEmbeddedPostgres } from './embedded/postgres.ts';
  await runUntilStopped(async () => {
    const settings = { shared_buffers: '32MB' };
    const postgres = await startEmbeddedPostgres({ dataDir: process.argv[1], settings });
    console.log('owner of ' + postgres.url);
    return postgres.stop;
  });
`;
/** Its only line on standard output. */
export const OWNER = /owner of (postgres:\S+)\n/;

export async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-starts-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }));
  // For the account that PostgreSQL runs as.
  await chmod(folder, 0o711);
  return folder;
}

/** A PostgreSQL that a test leaves running in the folder goes with the test. */
export function startProcess(dataDir: string, project?: string): RunningProcess {
  // When the process has been killed: what is to be done when a test has finished is done in reverse.
  onTestFinished(async () => {
    const pid = await pidOf(path.join(dataDir, 'postgres'));
    if (pid === undefined) return;
    process.kill(pid, 'SIGQUIT');
    await until('PostgreSQL is gone', async () => !(await isPostgres(pid)));
  });
  return runNode(['--input-type=module', '-e', PROGRAM, dataDir], {}, project);
}

/** Of starts at the same moment the one that owns the folder, when all others have said that it is in use. */
export async function ownerAmong(starts: RunningProcess[], dataDir: string): Promise<RunningProcess> {
  const said = await Promise.all(starts.map(saidBy));
  const inUse = `DATA_DIR: ${dataDir} is in use by another running stream-processing\n`;
  expect(said.toSorted()).toEqual([...starts.slice(1).map(() => inUse), 'owner']);
  return starts[said.indexOf('owner')]!;
}

async function saidBy({ output, ended }: RunningProcess): Promise<string> {
  const isOwner = () => OWNER.test(output());
  let over = false;
  void ended.then(() => {
    over = true;
  });
  await until('a start has said what became of it', () => over || isOwner(), 60_000);
  return isOwner() ? 'owner' : output();
}

/** Of the server that was started last, the file. */
export async function programOf(dataDir: string): Promise<string> {
  return (await readFile(path.join(dataDir, 'postgres', 'postmaster.opts'), 'utf8')).split(' ')[0]!;
}
