import { parentPort, workerData } from 'node:worker_threads';
import { countBranches, type ScriptCounts } from './branches.ts';
import type { Outcome, Size } from './world.ts';

export interface Job {
  first: number;
  step: number;
  /** Not included. */
  end: number;
  trace: boolean;
}

export interface Message {
  seed: number;
  hash: string;
  counts: Record<string, number>;
  failure?: string;
  trace?: string[];
}

/** The last one of a worker. */
export interface Branches {
  branches: ScriptCounts[];
}

const takeBranches = await countBranches();
const { createDatabase, FULL, play } = await import('./world.ts');
const { first, step, end, trace } = workerData as Job;
const database = await createDatabase();
for (let seed = first; seed < end; seed += step) {
  const outcome = await play(database, seed);
  const message: Message = { seed, hash: outcome.hash, counts: outcome.counts };
  if (outcome.violations.length > 0) message.failure = describe(seed, await shortest(seed, outcome));
  if (trace) message.trace = outcome.trace;
  parentPort!.postMessage(message);
}
parentPort!.postMessage({ branches: await takeBranches() } satisfies Branches);

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
