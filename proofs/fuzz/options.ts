import { parse, wholeNumber } from '../command.ts';

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

/** undefined: help was asked for. Throws a UsageError that names the option. */
export function readOptions(args: string[]): Options | undefined {
  const values = parse(args, {
    requests: { type: 'string', default: '500' },
    seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
    operation: { type: 'string' },
    minutes: { type: 'string', default: '15' },
    help: { type: 'boolean', default: false },
  });
  if (values.help) return undefined;
  return {
    requests: wholeNumber('--requests', values.requests, { max: 1_000_000 }),
    seed: wholeNumber('--seed', values.seed),
    minutes: wholeNumber('--minutes', values.minutes, { max: 10_000 }),
    operation: values.operation,
  };
}
