/**
 * `npm run mutate`: changes the code that moves money in hundreds of small ways (Stryker), one at a time in a copy of the project, and
 * expects its tests to fail each time. Exit code 1 where more than 15 of 100 changes went unnoticed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import path from 'node:path';
import { startEmbeddedPostgres } from '../../embedded/postgres.ts';
import { parse, runCommand, UsageError } from '../command.ts';
import { withCopy } from '../copy.ts';

const USAGE = `npm run mutate -- [--files F,…]

  --files F,…  only these files, or lines of one: services/billing-service/store.ts, runtime/append.ts:10-40

The report is reports/mutation/mutation.html.
`;
const ROOT = path.join(import.meta.dirname, '../..');

await runCommand({
  name: 'mutate',
  usage: USAGE,
  readOptions,
  run: ({ files }, interrupted) => withCopy((copy) => mutate(copy, files, interrupted)),
});

function readOptions(args: string[]): { files: string | undefined } | undefined {
  const { files, help } = parse(args, {
    files: { type: 'string' },
    help: { type: 'boolean', default: false },
  });
  if (help) return undefined;
  const missing = files?.split(',').find((file) => !existsSync(path.join(ROOT, file.split(':')[0]!)));
  if (missing !== undefined) throw new UsageError(`--files: there is no ${missing}`);
  return { files };
}

async function mutate(copy: string, files: string | undefined, signal: AbortSignal): Promise<number> {
  const postgres = await startEmbeddedPostgres({ dataDir: path.join(copy, '.data') });
  try {
    signal.throwIfAborted();
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
    signal.throwIfAborted();
    const reports = path.join(copy, 'reports');
    // There are none where the tests fail without any change.
    if (existsSync(reports)) await cp(reports, path.join(ROOT, 'reports'), { recursive: true });
    return code ?? 1;
  } finally {
    await postgres.stop();
  }
}
