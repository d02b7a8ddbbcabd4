import { parentPort, workerData } from 'node:worker_threads';
import { countBranches, type ScriptCounts } from './branches.ts';
import type { Outcome, Size } from './world.ts';

export interface Job {
  first: number;
  step: number;
  /** Not included. */
  end: number;
  /** In how many of its seeds this worker counts branches, from the first one on. */
  counted: number;
  trace: boolean;
}

export interface Message {
  seed: number;
  hash: string;
  counts: Record<string, number>;
  failure?: string;
  trace?: string[];
}

/** Once from each worker. */
export interface Branches {
  branches: ScriptCounts[];
}

const takeBranches = await countBranches();
const { createDatabase, FULL, play } = await import('./world.ts');
const { first, step, end, counted, trace } = workerData as Job;
const database = await createDatabase();
const tellBranches = async () =>
  parentPort!.postMessage({ branches: await takeBranches() } satisfies Branches);
const uncounted = first + counted * step;
for (let seed = first; seed < end; seed += step) {
  if (seed === uncounted) await tellBranches();
  const outcome = await play(database, seed);
  const message: Message = { seed, hash: outcome.hash, counts: outcome.counts };
  if (outcome.violations.length > 0) message.failure = describe(seed, await shortest(seed, outcome));
  if (trace) message.trace = outcome.trace;
  parentPort!.postMessage(message);
}
if (uncounted >= end) await tellBranches();

/** The same seed with as little asked for as still fails. */
async function shortest(seed: number, outcome: Outcome): Promise<Outcome> {
  for (let operations = 1; operations <= FULL.operations; operations += 1) {
    for (let callers = 1; callers <= FULL.callers; callers += 1) {
      const size: Size = { callers, operations };
      const smaller = await play(database, seed, size);
      if (smaller.violations.length > 0) return smaller;
    }
  }
  return outcome;
}

function describe(seed: number, { violations, trace }: Outcome): string {
  const again = `npm run simulate -- --seed ${seed} --seeds 1 --trace`;
  return [
    `seed ${seed}: ${violations.length} violations; again by: ${again}`,
    ...trace.map((line) => `  ${line}`),
  ].join('\n');
}
