/** Under which conditions a run measured; whoever compares two runs looks at these first. */
import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import { connect } from '@stream-processing/runtime/sql.ts';
import { loadGenerator } from './load.ts';
import { ROOT } from './program.ts';
import { findPgbench, run } from './tools.ts';

const SETTINGS = [
  'server_version',
  'fsync',
  'full_page_writes',
  'synchronous_commit',
  'shared_buffers',
  'max_wal_size',
];

/** By their names, as they are printed. */
export type Conditions = Record<string, string>;

export async function readConditions(postgresUrl: string, signal: AbortSignal): Promise<Conditions> {
  const [cpu] = os.cpus();
  const { server_version, ...settings } = await readSettings(postgresUrl);
  return {
    commit: await readCommit(),
    cpu: `${cpu?.model.trim() ?? 'unknown'}, ${os.availableParallelism()} cores`,
    memory: `${(os.totalmem() / 2 ** 30).toFixed(1)} GiB`,
    system: `${os.type()} ${os.release()} ${os.arch()}`,
    node: process.version,
    postgresql: `${server_version}, ${Object.entries(settings)
      .map(([name, value]) => `${name}=${value}`)
      .join(' ')}`,
    load: `${await loadGenerator()}, one process on the same cores, closed loop`,
    baseline: await describeBaseline(signal),
  };
}

async function readSettings(url: string): Promise<Record<string, string>> {
  const sql = connect(url, { max: 1, name: 'bench', schema: 'public' });
  try {
    const rows = await sql<{ name: string; value: string }[]>`
      select name, current_setting(name) as value from unnest(${SETTINGS}::text[]) as name`;
    return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
  } finally {
    await sql.end();
  }
}

/** Of this repository, with a `+` when files differ from it. */
async function readCommit(): Promise<string> {
  const git = async (...args: string[]) =>
    (await promisify(execFile)('git', ['-C', ROOT, ...args])).stdout.trim();
  try {
    return `${await git('rev-parse', '--short', 'HEAD')}${(await git('status', '--porcelain')) === '' ? '' : '+'}`;
  } catch {
    return 'unknown (no git here)';
  }
}

async function describeBaseline(signal: AbortSignal): Promise<string> {
  const pgbench = await findPgbench();
  if (!pgbench) return 'this process by pg, as there is no pgbench; 32 connections, prepared statements';
  const version = (await run(pgbench, ['--version'], { signal })).trim();
  return `${version}, 32 connections, prepared statements, 2 threads on the same cores`;
}
