/**
 * `npm run mutate`: changes the code that moves money in hundreds of small ways (Stryker), one at a time in a copy of the project, and
 * expects its tests to fail each time. Exit code 1 where more than 15 of 100 changes went unnoticed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { startEmbeddedPostgres } from '../../embedded/postgres.ts';
import { withCopy } from '../copy.ts';

const USAGE = `npm run mutate -- [--files F,…]

  --files F,…  only these files, or lines of one: services/billing-service/store.ts, runtime/append.ts:10-40

The report is reports/mutation/mutation.html.
`;
const ROOT = path.join(import.meta.dirname, '../..');

class UsageError extends Error {}

process.exitCode = await main(process.argv.slice(2));

async function main(args: string[]): Promise<number> {
  try {
    const { values } = parseArgs({
      args,
      options: { files: { type: 'string' }, help: { type: 'boolean', default: false } },
    });
    if (values.help) {
      console.log(USAGE);
      return 0;
    }
    const missing = values.files
      ?.split(',')
      .find((file) => !existsSync(path.join(ROOT, file.split(':')[0]!)));
    if (missing !== undefined) throw new UsageError(`--files: there is no ${missing}`);
    const interrupted = new AbortController();
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupted.abort());
    return await withCopy((copy) => mutate(copy, values.files, interrupted.signal));
  } catch (error) {
    const ours =
      error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
    if (!ours) throw error;
    console.error(`${(error as Error).message}\nnpm run mutate -- --help tells what there is`);
    return 2;
  }
}

async function mutate(copy: string, files: string | undefined, signal: AbortSignal): Promise<number> {
  const postgres = await startEmbeddedPostgres({ dataDir: path.join(copy, '.data') });
  try {
    if (signal.aborted) return 130;
    const stryker = 'node_modules/@stryker-mutator/core/bin/stryker.js';
    const args = ['run', 'proofs/mutate/stryker.config.mjs', ...(files ? ['--mutate', files] : [])];
    const child = spawn(process.execPath, [stryker, ...args], {
      cwd: copy,
      env: { ...process.env, MUTATE_POSTGRES_URL: postgres.urlOf('postgres') },
      stdio: ['ignore', 'inherit', 'inherit'],
      // A process group of its own: Ctrl-C reaches only us, and Stryker is asked to stop once.
      detached: process.platform !== 'win32',
    });
    signal.addEventListener('abort', () => void child.kill('SIGTERM'));
    const [code] = await once(child, 'exit');
    if (signal.aborted) return 130;
    const reports = path.join(copy, 'reports');
    // There are none where the tests fail without any change.
    if (existsSync(reports)) await cp(reports, path.join(ROOT, 'reports'), { recursive: true });
    return code ?? 1;
  } finally {
    await postgres.stop();
  }
}
