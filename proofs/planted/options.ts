import { parse, UsageError, wholeNumber } from '../command.ts';
import { BUGS, type Bug } from './bugs.ts';

export interface Options {
  bugs: Bug[];
  seeds: number;
}

const KINDS = ['simulate', 'soak', 'fuzz', 'test'] as const;

export const USAGE = `npm run planted -- [--only NAME] [--seeds N] [--by INSTRUMENT]

Plants one bug at a time in a copy of the project, in a temporary folder, and expects simulation, soak, fuzzer or tests to find it.
Exit code 1 where one is not found, or where an instrument complains of the project as it is.

  --only NAME      this bug
  --by INSTRUMENT  only bugs that simulate, soak, fuzz or test finds
  --seeds N        the simulation may play so many before it must have found one (200)

The bugs:
${BUGS.map(({ name, breaks, foundBy }) => `  ${name} (${foundBy})\n      ${breaks}`).join('\n')}
`;

/** undefined: help was asked for. Throws a UsageError that names the option. */
export function readOptions(args: string[]): Options | undefined {
  const { only, by, seeds, help } = parse(args, {
    only: { type: 'string' },
    by: { type: 'string' },
    seeds: { type: 'string', default: '200' },
    help: { type: 'boolean', default: false },
  });
  if (help) return undefined;
  if (by !== undefined && !KINDS.some((kind) => kind === by))
    throw new UsageError(`--by: ${by} is none of ${KINDS.join(', ')}`);
  if (only !== undefined && !BUGS.some(({ name }) => name === only))
    throw new UsageError(`--only: there is no bug ${only}`);
  const bugs = BUGS.filter((bug) => (only ?? bug.name) === bug.name && (by ?? kindOf(bug)) === kindOf(bug));
  if (bugs.length === 0) throw new UsageError(`--only: ${only} is not found by ${by}`);
  return { bugs, seeds: wholeNumber('--seeds', seeds) };
}

export function kindOf({ foundBy }: Bug): (typeof KINDS)[number] {
  return KINDS.find((kind) => kind === foundBy) ?? 'test';
}
