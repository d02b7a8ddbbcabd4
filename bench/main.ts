/**
 * `npm run bench`: how fast the product is on this machine, next to the same work as hand-written SQL. Everything runs
 * on a PostgreSQL in a temporary folder. Progress goes to standard error, one table to standard output.
 */
import { writeFile } from 'node:fs/promises';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';
import { baselineOneAccount, baselineUniform } from './cases/baseline.ts';
import type { Case } from './cases/case.ts';
import { costAt } from './cases/cost.ts';
import { growth } from './cases/growth.ts';
import { hotAccount } from './cases/hot-account.ts';
import { level } from './cases/level.ts';
import { mixed } from './cases/mixed.ts';
import { oursAt } from './cases/ours.ts';
import { overload } from './cases/overload.ts';
import { replay } from './cases/replay.ts';
import { scaleInstances, scaleLogs } from './cases/scale.ts';
import { scaleBroker } from './cases/scale-broker.ts';
import { start } from './cases/start.ts';
import { style } from './cases/styles.ts';
import { readConditions } from './conditions.ts';
import { type Context, type Size, withContext } from './context.ts';
import { type Options, readOptions, UsageError } from './options.ts';
import { figureText, type Result, renderTable, summarize } from './report.ts';
import { warmUp } from './warm-up.ts';

const FULL: Size = { rounds: 4, seconds: 5, users: 10_000, quick: false };
const QUICK: Size = { rounds: 1, seconds: 2, users: 1000, quick: true };

// In the order of a round: what is compared runs next to each other, since a shared machine drifts.
const CASES: Case[] = [
  oursAt(1),
  oursAt(16),
  oursAt(64),
  baselineUniform,
  oursAt(256),
  hotAccount,
  baselineOneAccount,
  mixed,
  costAt(64, { fullOnly: true }),
  costAt(256),
  style('synchronous', 'four services by HTTP'),
  style('letters-by-event', 'by HTTP, letters by event'),
  start,
  replay,
  level,
  growth,
  overload,
  scaleLogs,
  scaleInstances,
  scaleBroker,
];

const USAGE = `npm run bench -- [--quick] [--case NAME]… [--rounds N] [--json FILE]

  --quick      all within 90 s, with little data; without it about 20 minutes
  --case NAME  only this case, or those whose names begin so; may be repeated:
               ${CASES.map(({ name }) => name).join(' ')}
  --rounds N   how often each case runs (${FULL.rounds}; quick: ${QUICK.rounds}); the table has medians over the rounds
  --json FILE  writes conditions and figures of every round to a file
`;

process.exitCode = await main(process.argv.slice(2));

/** The exit code: 1 when a check failed or the run was interrupted, 2 for options that make no sense. */
async function main(args: string[]): Promise<number> {
  try {
    const options = readOptions(
      args,
      CASES.map(({ name }) => name),
    );
    if (options.help) {
      console.log(USAGE);
      return 0;
    }
    // Tried now: not after twenty minutes.
    if (options.json !== undefined) await writeFile(options.json, '').catch(refuseFile);
    return await bench(options);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`${error.message}\nnpm run bench -- --help tells what there is`);
    return 2;
  }
}

function refuseFile(error: Error): never {
  throw new UsageError(`--json: ${error.message}`);
}

async function bench({ quick, cases, rounds, json }: Options): Promise<number> {
  const began = performance.now();
  const base = quick ? QUICK : FULL;
  const size = { ...base, rounds: rounds ?? base.rounds };
  const chosen = CASES.filter(
    ({ name, fullOnly, asked }) =>
      !(quick && fullOnly) &&
      (cases.length === 0 ? !asked : cases.some((beginning) => name.startsWith(beginning))),
  );
  if (chosen.length === 0) throw new UsageError(`--case: ${cases.join(', ')} takes too long for --quick`);
  const interrupted = new AbortController();
  // Twice is once: a terminal's Ctrl-C arrives from the terminal and from run.mjs.
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupted.abort());
  const { signal } = interrupted;
  try {
    const { conditions, results } = await withContext({ size, signal, progress }, async (context) => ({
      conditions: await readConditions(context.postgres.url, signal),
      results: await runRounds(context, chosen),
    }));
    const duration = `${((performance.now() - began) / 1000).toFixed(0)} s; rounds: ${size.rounds}`;
    const lines = summarize(results);
    console.log(`${renderTable(lines)}\n`);
    for (const [name, value] of Object.entries({ ...conditions, duration })) console.log(`${name}: ${value}`);
    if (json !== undefined) {
      await writeFile(
        json,
        `${JSON.stringify({ conditions: { ...conditions, duration }, lines, results }, null, 2)}\n`,
      );
    }
    return lines.some((line) => line.failed !== undefined) ? 1 : 0;
  } catch (error) {
    if (!signal.aborted && !(error instanceof StartupError)) throw error;
    console.error(signal.aborted ? 'stopped before the end' : (error as Error).message);
    return 1;
  }
}

async function runRounds(context: Context, cases: Case[]): Promise<Result[]> {
  const { rounds } = context.size;
  const results: Result[] = [];
  const first: Case = { name: 'warm-up', run: () => warmUp(context, cases) };
  results.push(await runCase(context, first, 0));
  for (let round = 1; round <= rounds; round += 1) {
    for (const each of cases) {
      if (!each.once) results.push(await runCase(context, each, round));
    }
  }
  for (const each of cases) if (each.once) results.push(await runCase(context, each, rounds));
  return results;
}

async function runCase(context: Context, { name, run }: Case, round: number): Promise<Result> {
  progress(`round ${round} of ${context.size.rounds}: ${name}`);
  try {
    const rows = await run(context, round);
    for (const row of rows) progress(`  ${row.name}: ${figureText(row.value)} ${row.unit}`);
    return { case: name, round, rows };
  } catch (error) {
    context.signal.throwIfAborted();
    // On one line, for the table.
    const failed = (error as Error).message.replaceAll(/\s+/g, ' ');
    progress(`  FAILED: ${failed}`);
    return { case: name, round, rows: [], failed };
  }
}

function progress(text: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
}
