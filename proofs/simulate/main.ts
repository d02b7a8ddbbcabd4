/**
 * `npm run simulate`: plays many seeds of a simulated installation, each with other faults and another interleaving, and
 * checks every promise after each. Exit code 1 where one was broken or, of so many seeds, some fault or branch never occurred.
 */
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { parse, runCommand, wholeNumber } from '../command.ts';
import { branchesOf, missingBranches, type ScriptCounts, tableOf } from './branches.ts';
import type { Branches, Job, Message } from './worker.ts';

const USAGE = `npm run simulate -- [--seeds N] [--seed S] [--workers W] [--branches] [--trace]

  --seeds N    how many (1000), from S on
  --seed S     the first one (1)
  --workers W  threads (as many as cores)
  --branches   prints every branch of the services' code with how often the first 1000 seeds took it, not only how many were taken
  --trace      prints what happened, of a single seed
`;
/** So many seeds at least show every fault and take every branch; fewer need not, and of more these alone have their branches counted. */
const COVERING = 1000;
const FAILURES_MAX = 5;
const TELL_MS = 10_000;
/** A seed takes a tenth of a second, one that fails is played some twenty times: who says nothing for so long hangs. */
const SILENT_MS_MAX = 180_000;

interface Options {
  first: number;
  seeds: number;
  workers: number;
  /** List the branches? */
  listed: boolean;
  trace: boolean;
}

await runCommand({ name: 'simulate', usage: USAGE, readOptions, run: simulate });

function readOptions(args: string[]): Options | undefined {
  const values = parse(args, {
    seeds: { type: 'string' },
    seed: { type: 'string', default: '1' },
    workers: { type: 'string', default: String(availableParallelism()) },
    branches: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  });
  if (values.help) return undefined;
  const seeds = wholeNumber('--seeds', values.seeds ?? (values.trace ? '1' : '1000'));
  return {
    first: wholeNumber('--seed', values.seed),
    seeds,
    workers: Math.min(seeds, wholeNumber('--workers', values.workers, { max: 1024 })),
    listed: values.branches,
    trace: values.trace,
  };
}

async function simulate(
  { first, seeds, workers, listed, trace }: Options,
  interrupted: AbortSignal,
): Promise<number> {
  const began = performance.now();
  const counts: Record<string, number> = {};
  const taken: ScriptCounts[][] = [];
  let played = 0;
  let failed = 0;
  let told = began;
  const threads = Array.from({ length: workers }, (_, i) => {
    const counted = Math.ceil(COVERING / workers);
    const job: Job = { first: first + i, step: workers, end: first + seeds, counted, trace };
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: job });
    let playing = job.first;
    const hangs = setTimeout(() => {
      failed += 1;
      console.log(`seed ${playing}: not played within ${SILENT_MS_MAX / 1000} s`);
      void worker.terminate();
    }, SILENT_MS_MAX);
    worker.on('exit', () => clearTimeout(hangs));
    worker.on('message', (message: Message | Branches) => {
      hangs.refresh();
      if ('branches' in message) {
        taken.push(message.branches);
        return;
      }
      const { seed, hash, counts: some, failure, trace: lines } = message;
      played += 1;
      playing = seed + workers;
      for (const [what, count] of Object.entries(some)) counts[what] = (counts[what] ?? 0) + count;
      if (lines) console.log(lines.join('\n'));
      if (trace || seeds === 1) console.log(`seed ${seed}: trace ${hash}`);
      if (failure) {
        failed += 1;
        if (failed <= FAILURES_MAX) console.log(failure);
      }
      if (performance.now() - told < TELL_MS) return;
      told = performance.now();
      console.error(`${played} of ${seeds} seeds, ${failed} failed`);
    });
    interrupted.addEventListener('abort', () => void worker.terminate());
    return new Promise<void>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  });
  await Promise.all(threads);
  const seconds = (performance.now() - began) / 1000;
  for (const [what, count] of Object.entries(counts).sort(([a], [b]) => (a < b ? -1 : 1)))
    console.log(`${String(count).padStart(9)}  ${what}`);
  const branches = branchesOf(taken);
  for (const line of tableOf(branches, listed)) console.log(line);
  const faults = Object.keys(counts).filter((what) => counts[what] === 0);
  const missing =
    seeds < COVERING
      ? []
      : [...faults.map((what) => `never happened: ${what}`), ...missingBranches(branches)];
  for (const what of missing) console.log(what);
  console.log(`${played} seeds in ${seconds.toFixed(0)} s, ${failed} with violations`);
  return played === seeds && failed === 0 && missing.length === 0 ? 0 : 1;
}
