import { parseArgs } from 'node:util';

export interface Options {
  /** For each operation. */
  requests: number;
  seed: number;
  minutes: number;
  /** Part of the names of the operations that are meant; undefined: all. */
  operation: string | undefined;
}

export const USAGE = `npm run fuzz -- [--requests N] [--seed S] [--operation NAME] [--minutes M]

  --requests N      for each operation, of all three kinds (500)
  --seed S          of all choices; the same seed makes the same requests, but for ids that come in another order
  --operation NAME  only those whose name holds this: 'POST /orders', '/accounts', 'elsewhere', 'not HTTP'
  --minutes M       ends the run, which then counts as failed (15)

Everything runs in a temporary folder, on free ports of the loopback interface, and is removed in the end.
`;

export class UsageError extends Error {}

/** undefined: help was asked for. Throws a UsageError that names the option. */
export function readOptions(args: string[]): Options | undefined {
  const { values } = parse(args);
  if (values.help) return undefined;
  return {
    requests: whole('--requests', values.requests, 1_000_000),
    seed: whole('--seed', values.seed, 2 ** 31 - 1),
    minutes: whole('--minutes', values.minutes, 10_000),
    operation: values.operation,
  };
}

function parse(args: string[]) {
  try {
    return parseArgs({
      args,
      options: {
        requests: { type: 'string', default: '500' },
        seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
        operation: { type: 'string' },
        minutes: { type: 'string', default: '15' },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function whole(name: string, text: string, max: number): number {
  const value = Number(text);
  if (!/^\d{1,10}$/.test(text) || value < 1 || value > max)
    throw new UsageError(`${name}: ${text} is not a whole number from 1 to ${max}`);
  return value;
}
