/** The project's instruments, run on a copy of it as processes of their own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import path from 'node:path';

/**
 * What an instrument says of a copy: a promise that was broken, or that all held. A copy that does not start, or an instrument
 * that does not come to an end, says nothing and is an error.
 */
export interface Verdict {
  violation?: string;
  /** The seed that showed it. */
  seed?: number;
}

export interface Run {
  copy: string;
  signal: AbortSignal;
}

/** A minute of load on two processes of each service. So many callers that the accounts which they share are busy. */
const SOAK = ['--minutes', '1', '--callers', '64'];
/** Of each operation that is looked at. */
const FUZZ_REQUESTS = 200;
const STOP_MS_MAX = 90_000;
const RUN_MS_MAX = 900_000;
const COMPLAINTS_MAX = 1000;

/** Seeds 1 to `seeds`, or to the first that fails. */
export async function simulate(run: Run, seeds: number): Promise<Verdict> {
  const { code, output, complaints } = await node(run, ['proofs/planted/seeds.ts', String(seeds)]);
  if (code !== 0) throw new Error(`the simulation ended with ${code}: ${complaints}`);
  return JSON.parse(output);
}

export async function soak(run: Run): Promise<Verdict> {
  const { code, output, complaints } = await node(run, ['proofs/soak/main.ts', ...SOAK]);
  const violation = /^violations: [1-9]\d*\n +(.+)$/m.exec(output)?.[1];
  if (violation !== undefined) return { violation };
  if (code !== 0) throw new Error(`the soak ended with ${code}: ${output}${complaints}`);
  return {};
}

/** The operations whose names hold `operation`. */
export async function fuzz(run: Run, operation: string): Promise<Verdict> {
  const options = ['--seed', '1', '--requests', String(FUZZ_REQUESTS), '--operation', operation];
  const { code, output, complaints } = await node(run, ['proofs/fuzz/main.ts', ...options]);
  const violation = /^FOUND .*$/m.exec(output)?.[0];
  if (violation !== undefined) return { violation };
  if (code !== 0) throw new Error(`the fuzzer ended with ${code}: ${output}${complaints}`);
  return {};
}

/** What vitest's JSON report says of test files. */
interface Report {
  success: boolean;
  testResults: {
    message: string;
    assertionResults: { status: string; title: string; failureMessages: string[] }[];
  }[];
}

/** A test that failed. A file that could not be loaded has none. */
export async function test(run: Run, files: readonly string[]): Promise<Verdict> {
  const report = path.join(run.copy, 'report.json');
  const vitest = ['node_modules/vitest/vitest.mjs', 'run', '--reporter=json', `--outputFile=${report}`];
  const { code, complaints } = await node(run, [...vitest, ...files]);
  const text = await readFile(report, 'utf8').catch(() => {
    throw new Error(`the tests ended with ${code} and no report: ${complaints}`);
  });
  const { success, testResults } = JSON.parse(text) as Report;
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  const failed = tests.find(({ status }) => status === 'failed');
  if (failed) return { violation: `${failed.title}: ${failed.failureMessages[0] ?? ''}` };
  if (!success || tests.length === 0)
    throw new Error(`the tests could not be run: ${testResults.map(({ message }) => message).join()}`);
  return {};
}

async function node({ copy, signal }: Run, args: string[]) {
  signal.throwIfAborted();
  const child = spawn(process.execPath, args, {
    cwd: copy,
    stdio: ['ignore', 'pipe', 'pipe'],
    // A process group of its own: Ctrl-C reaches only us, and the instrument is asked to stop once.
    detached: process.platform !== 'win32',
  });
  const [output, complaints] = [textOf(child, 'stdout'), textOf(child, 'stderr')];
  let killing: NodeJS.Timeout | undefined;
  const stop = () => {
    child.kill('SIGTERM');
    killing ??= setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  };
  signal.addEventListener('abort', stop);
  let late = false;
  const alarm = setTimeout(() => {
    late = true;
    stop();
  }, RUN_MS_MAX);
  const [code] = await once(child, 'close');
  clearTimeout(alarm);
  clearTimeout(killing);
  signal.removeEventListener('abort', stop);
  signal.throwIfAborted();
  if (late) throw new Error(`${args[0]} did not end within ${RUN_MS_MAX / 1000} s`);
  return {
    code: code as number | null,
    output: output(),
    complaints: complaints().trim().slice(-COMPLAINTS_MAX),
  };
}

function textOf(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  let text = '';
  child[stream]!.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return () => text;
}
