/**
 * `npm run fuzz`: sends to every operation of a running installation, as its own OpenAPI documents describe them, requests
 * that are valid, nearly valid and hostile, and judges each reply. Exit code 1 where something was found.
 */
import { startProduct } from '../../bench/installation.ts';
import type { EmbeddedPostgres } from '../../embedded/postgres.ts';
import { runCommand } from '../command.ts';
import { withPostgres } from '../installation.ts';
import { afterwards, failures, logOf } from './afterwards.ts';
import { fuzz } from './fuzz.ts';
import { HEAP_MIB_MAX, Memory } from './memory.ts';
import { type Options, readOptions, USAGE } from './options.ts';
import { findingText, type Tally } from './tally.ts';

/** Of each operation; the same fault shows again and again. */
const FINDINGS_SHOWN = 5;

await runCommand({
  name: 'fuzz',
  usage: USAGE,
  readOptions,
  run: (options, interrupted) =>
    withPostgres('fuzz', (postgres, folder) => run(postgres, folder, options, interrupted)),
});

async function run(
  postgres: EmbeddedPostgres,
  folder: string,
  options: Options,
  interrupted: AbortSignal,
): Promise<number> {
  const began = performance.now();
  const product = await startProduct({
    databaseUrl: postgres.url,
    folder,
    signal: interrupted,
    more: { NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB_MAX}` },
  });
  const gone = new AbortController();
  let stopping = false;
  product.ended.then(() => stopping || gone.abort());
  const late = AbortSignal.timeout(options.minutes * 60_000);
  const wrong: string[] = [];
  const memory = new Memory(product.pid);
  try {
    const signal = AbortSignal.any([interrupted, gone.signal, late]);
    const tallies = await fuzz(product.urls, { ...options, signal, progress });
    interrupted.throwIfAborted();
    if (gone.signal.aborted) wrong.push('the process ended');
    else wrong.push(...(await afterwards(product, postgres.url)), ...(await memory.excess()));
    if (late.aborted) wrong.push(`not done within ${options.minutes} min`);
    const log = await logOf(folder);
    for (const line of failures(log)) wrong.push(`the log tells of a failure: ${line.slice(0, 1000)}`);
    const found = report({ tallies, log, wrong, options });
    console.log(`${memory.line()}; ${((performance.now() - began) / 1000).toFixed(0)} s`);
    console.log(found === 0 ? 'nothing found' : `${found} findings`);
    return found === 0 ? 0 : 1;
  } finally {
    stopping = true;
    memory.close();
    await product.stop();
  }
}

function progress(text: string): void {
  console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);
}

/** Prints everything; answers how much was found. */
function report(run: { tallies: Tally[]; log: string[]; wrong: string[]; options: Options }): number {
  const { tallies, log, wrong, options } = run;
  const { seed, requests } = options;
  for (const tally of tallies) console.log(tally.line());
  for (const { name, findings } of tallies) {
    for (const finding of findings.slice(0, FINDINGS_SHOWN)) {
      const id =
        finding.reply && 'status' in finding.reply ? finding.reply.headers['x-request-id'] : undefined;
      const told = id && log.find((line) => line.includes(id));
      console.log(findingText(name, { ...finding, log: told }));
      console.log(`  again: npm run fuzz -- --seed ${seed} --requests ${requests} --operation '${name}'`);
    }
    if (findings.length > FINDINGS_SHOWN) console.log(`… ${findings.length} findings at ${name}`);
  }
  for (const { name } of tallies.filter((tally) => tally.mustServe && !tally.served)) {
    wrong.push(`${name} took none of the requests, so that nothing behind its checks was reached`);
  }
  for (const line of wrong) console.log(`FOUND afterwards: ${line}`);
  const sent = tallies.reduce((sum, tally) => sum + tally.sent, 0);
  console.log(`seed ${seed}: ${sent} requests to ${tallies.length} operations`);
  return tallies.reduce((sum, tally) => sum + tally.findings.length, wrong.length);
}
