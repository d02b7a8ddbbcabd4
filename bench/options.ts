import { parseArgs } from 'node:util';

export interface Options {
  quick: boolean;
  help: boolean;
  json: string | undefined;
  /** Names of cases or their beginnings; empty: all. */
  cases: string[];
  rounds: number | undefined;
}

/** What was asked for cannot be done. */
export class UsageError extends Error {}

/** Throws UsageError with one line that says what is wrong. */
export function readOptions(args: string[], known: string[]): Options {
  const { quick, help, json, case: cases = [], rounds } = parse(args);
  if (rounds !== undefined && !/^[1-9]\d{0,2}$/.test(rounds)) {
    throw new UsageError(`--rounds: ${JSON.stringify(rounds)} is not a number from 1 to 999`);
  }
  for (const name of cases) {
    if (!known.some((candidate) => candidate.startsWith(name))) {
      throw new UsageError(`--case: ${JSON.stringify(name)} is none of ${known.join(', ')}`);
    }
  }
  return { quick, help, json, cases, rounds: rounds === undefined ? undefined : Number(rounds) };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        quick: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
        json: { type: 'string' },
        case: { type: 'string', multiple: true },
        rounds: { type: 'string' },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}
