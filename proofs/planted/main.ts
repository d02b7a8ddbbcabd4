/**
 * `npm run planted`: plants bugs, one at a time, in a copy of the project and has the instruments look for them. Then it has them
 * look at the project as it is, for as long: what they complain of there too is no finding.
 */
import { runCommand } from '../command.ts';
import { withCopy } from '../copy.ts';
import type { Bug } from './bugs.ts';
import { plant } from './edits.ts';
import { fuzz, type Run, simulate, soak, test, type Verdict } from './instruments.ts';
import { kindOf, type Options, readOptions, USAGE } from './options.ts';

const MEDIAN_SEEDS_MAX = 100;
/** Letters of a violation that are printed. */
const VIOLATION_MAX = 200;

await runCommand({ name: 'planted', usage: USAGE, readOptions, run: planted });

async function planted({ bugs, seeds }: Options, signal: AbortSignal): Promise<number> {
  const found: { bug: Bug; verdict: Verdict }[] = [];
  for (const bug of bugs) {
    const verdict = await told(`${bug.name}: ${bug.foundBy}`, 'found', signal, async (run) => {
      await plant(run.copy, bug.edits);
      if (bug.foundBy === 'simulate') return simulate(run, seeds);
      if (bug.foundBy === 'fuzz') return fuzz(run, bug.operation ?? '');
      return bug.foundBy === 'soak' ? soak(run) : test(run, [bug.foundBy]);
    });
    if (verdict?.violation) found.push({ bug, verdict });
  }
  const isSound = await lookAtProject(found, signal);
  const tried = found.flatMap(({ verdict }) => verdict.seed ?? []).sort((a, b) => a - b);
  const median = tried[Math.floor(tried.length / 2)] ?? 0;
  if (tried.length > 0) console.log(`median of seeds: ${median} (at most ${MEDIAN_SEEDS_MAX})`);
  console.log(`${found.length} of ${bugs.length} found`);
  return found.length === bugs.length && isSound && median <= MEDIAN_SEEDS_MAX ? 0 : 1;
}

/** The project without any of the bugs, seen by each instrument that found one, for as long as that took. */
async function lookAtProject(found: { bug: Bug; verdict: Verdict }[], signal: AbortSignal): Promise<boolean> {
  const by = (kind: string) => found.filter(({ bug }) => kindOf(bug) === kind);
  const looks: [what: string, look: (run: Run) => Promise<Verdict>][] = [];
  const seed_max = Math.max(...by('simulate').map(({ verdict }) => verdict.seed!));
  if (by('simulate').length > 0)
    looks.push([`simulate, seeds 1 to ${seed_max}`, (run) => simulate(run, seed_max)]);
  if (by('soak').length > 0) looks.push(['soak', soak]);
  const operations = by('fuzz').map(({ bug }) => bug.operation ?? '');
  for (const operation of new Set(operations))
    looks.push([`fuzz, ${operation}`, (run) => fuzz(run, operation)]);
  const files = by('test').map(({ bug }) => bug.foundBy);
  if (files.length > 0) looks.push([files.join(', '), (run) => test(run, files)]);
  let isSound = true;
  for (const [what, look] of looks) {
    const verdict = await told(`no bug: ${what}`, 'held', signal, look);
    if (!verdict || verdict.violation) isSound = false;
  }
  return isSound;
}

/** Has a copy looked at and prints a line about it; undefined: the look failed. */
async function told(
  what: string,
  expected: 'found' | 'held',
  signal: AbortSignal,
  look: (run: Run) => Promise<Verdict>,
): Promise<Verdict | undefined> {
  console.error(`… ${what}`);
  const began = performance.now();
  const line = (result: string, detail: string) => {
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    console.log(`${result.padEnd(6)} ${what}, ${detail}${detail && ', '}${seconds} s`);
  };
  try {
    const verdict = await withCopy((copy) => look({ copy, signal }));
    const { seed, violation } = verdict;
    const as = violation === undefined ? 'held' : 'found';
    line(as === expected ? as : as.toUpperCase(), seed === undefined ? '' : `seed ${seed}`);
    if (violation !== undefined) console.log(`         ${violation.split('\n')[0]!.slice(0, VIOLATION_MAX)}`);
    return verdict;
  } catch (error) {
    signal.throwIfAborted();
    line('FAILED', '');
    console.log(`         ${(error as Error).message}`);
    return undefined;
  }
}
