import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { until } from './until.ts';

test.each(['SIGINT', 'SIGTERM'] as const)(
  'tests that end by %s leave no PostgreSQL and no folder',
  async (signal) => {
    const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-interrupted-'));
    // For the account that PostgreSQL runs as.
    await chmod(folder, 0o711);
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const args = ['node_modules/vitest/vitest.mjs', 'run', 'test/flow.test.ts'];
    const vitest = spawn(process.execPath, args, {
      env: { ...process.env, TMPDIR: folder },
      stdio: 'ignore',
    });
    const ended = once(vitest, 'exit');
    onTestFinished(() => void vitest.kill());
    const servers = async () =>
      (await readdir(folder)).map((name) => path.join(folder, name, 'postgres', 'postmaster.pid'));
    await until('the PostgreSQL of the tests runs', async () => (await servers()).some(existsSync), 60_000);
    vitest.kill(signal);
    await ended;
    expect((await readdir(folder)).filter((name) => name.startsWith('stream-processing-'))).toEqual([]);
  },
  120_000,
);
