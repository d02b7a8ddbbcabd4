/** How every proof is called: its options, its help, its exit code. */
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';

/** Somebody asked for what there is not; the message names the option. */
export class UsageError extends Error {}

interface Command<Options> {
  /** As in `npm run NAME`, or with `args` as it is called. */
  name: string;
  /** Those of the process, unless given. */
  args?: string[];
  usage: string;
  /** undefined: help was asked for. Throws a UsageError. */
  readOptions: (args: string[]) => Options | undefined;
  /** Answers the exit code; may reject once it is interrupted. */
  run: (options: Options, interrupted: AbortSignal) => Promise<number>;
}

const INTERRUPTED = 130;

/** Sets the exit code: that of `run`, 2 with a line about it for what cannot be done, 130 after a signal that asks to stop. */
export async function runCommand<Options>({
  name,
  args,
  usage,
  readOptions,
  run,
}: Command<Options>): Promise<void> {
  const interrupted = new AbortController();
  try {
    const options = readOptions(args ?? process.argv.slice(2));
    if (!options) {
      console.log(usage);
      return;
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
      process.on(signal, () => interrupted.abort());
    const code = await run(options, interrupted.signal);
    process.exitCode = interrupted.signal.aborted ? INTERRUPTED : code;
  } catch (error) {
    if (interrupted.signal.aborted) {
      process.exitCode = INTERRUPTED;
      return;
    }
    if (!(error instanceof UsageError || error instanceof StartupError)) throw error;
    const how = args ? name : `npm run ${name} --`;
    console.error(`${error.message}\n${how} --help tells what there is`);
    process.exitCode = 2;
  }
}

/** node:util's parseArgs, whose complaints become UsageErrors. */
export function parse<const T extends ParseArgsOptionsConfig>(args: string[], options: T) {
  try {
    return parseArgs({ args, options }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

export function wholeNumber(option: string, text: string, { min = 1, max = 2 ** 31 - 1 } = {}): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value < min || value > max)
    throw new UsageError(`${option}: ${text} is not a whole number from ${min} to ${max}`);
  return value;
}
