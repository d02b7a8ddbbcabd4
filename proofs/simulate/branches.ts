/**
 * Which branches of the services' code a run of the simulation took, and how often, by V8's own counters: every function,
 * and every block within one that did not run as often as what is around it.
 */
import { readFileSync } from 'node:fs';
import type { Profiler } from 'node:inspector';
import { Session } from 'node:inspector/promises';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { mergeProcessCovs } from '@bcoe/v8-coverage';
import { BEYOND, type Beyond } from './beyond.ts';

export type ScriptCounts = Profiler.ScriptCoverage;
type Range = Profiler.CoverageRange;

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What decides, stores, follows and answers. How it is wired, and what only HTTP, sockets or PostgreSQL's notifications meet, is not played. */
export const COUNTED = [
  ...of('services/user-service', 'decide', 'store'),
  ...of('services/billing-service', 'decide', 'inbox', 'ledger', 'store'),
  ...of('services/notification-service', 'decide', 'inbox', 'store'),
  ...of('services/order-service', 'decide', 'inbox', 'store', 'waiters'),
  ...of('runtime', 'append', 'chain', 'cursors', 'idempotency', 'log-postgres', 'outbox', 'pipeline'),
  ...of('runtime', 'processor', 'progress', 'retention', 'share', 'tail', 'transaction', 'unit'),
];

function of(folder: string, ...files: string[]): string[] {
  return files.map((file) => `${folder}/${file}.ts`);
}

export interface Branch {
  /** From the project's root. */
  file: string;
  line: number;
  /** Its text, blanks as one. */
  code: string;
  count: number;
}

/** To be called before what is to be counted is loaded. Resolves to how to ask for the counts, which ends the counting. */
export async function countBranches(): Promise<() => Promise<ScriptCounts[]>> {
  const session = new Session();
  session.connect();
  await session.post('Profiler.enable');
  await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  const urls = new Set(COUNTED.map((file) => pathToFileURL(path.join(ROOT, file)).href));
  return async () => {
    const { result } = await session.post('Profiler.takePreciseCoverage');
    // 150 seeds took 26 s while they were counted, 21 s otherwise.
    await session.post('Profiler.stopPreciseCoverage');
    session.disconnect();
    return result.filter(({ url }) => urls.has(url));
  };
}

/** Of all threads together. */
export function branchesOf(threads: ScriptCounts[][]): Branch[] {
  const { result } = mergeProcessCovs(threads.map((scripts) => ({ result: scripts })));
  return result.flatMap(({ url, functions }) => {
    const file = fileURLToPath(url);
    const source = readFileSync(file, 'utf8');
    const branchOf = ({ startOffset, endOffset, count }: Range): Branch => ({
      file: path.relative(ROOT, file).replaceAll('\\', '/'),
      line: source.slice(0, startOffset).split('\n').length,
      code: source.slice(startOffset, endOffset).replace(/\s+/g, ' ').trim(),
      count,
    });
    return functions.flatMap(({ ranges }) => outermost(ranges).map(branchOf));
  });
}

/** What a function that never ran holds is no branch of its own. */
function outermost(ranges: Range[]): Range[] {
  const never = ranges.filter(({ count }) => count === 0);
  const isWithin = (a: Range, b: Range) =>
    a !== b && a.startOffset >= b.startOffset && a.endOffset <= b.endOffset;
  return ranges.filter((range) => !never.some((other) => isWithin(range, other)));
}

/** In words, what is wrong: files that were not played, branches never taken, excuses that are none. */
export function missingBranches(branches: Branch[], beyond: Beyond[] = BEYOND): string[] {
  const never = branches.filter(({ count }) => count === 0);
  const isBeyond = ({ file, code }: Branch) =>
    beyond.some((each) => each.file === file && code.startsWith(each.code));
  return [
    ...COUNTED.filter((file) => !branches.some((branch) => branch.file === file)).map(
      (file) => `${file} was not played at all`,
    ),
    ...never
      .filter((branch) => !isBeyond(branch))
      .map(({ file, line, code }) => `${file}:${line} never happened: ${shortened(code)}`),
    ...beyond.flatMap(({ file, code, times = 1, rare = false }) => {
      const found = never.filter((each) => each.file === file && each.code.startsWith(code)).length;
      return found === times || (rare && found === 0)
        ? []
        : [`${file}: ${found} branches that never happened begin so, not ${times}: ${shortened(code)}`];
    }),
  ];
}

/** A line per file, or per branch. */
export function tableOf(branches: Branch[], all: boolean): string[] {
  if (all) {
    return branches.map(
      ({ file, line, code, count }) => `${String(count).padStart(9)}  ${file}:${line} ${shortened(code)}`,
    );
  }
  return [...Map.groupBy(branches, ({ file }) => file)].map(([file, some]) => {
    const taken = some.filter(({ count }) => count > 0).length;
    return `${`${taken} of ${some.length}`.padStart(9)}  branches of ${file}`;
  });
}

function shortened(code: string): string {
  return code.length > 100 ? `${code.slice(0, 99)}…` : code;
}
