import { parse, UsageError, wholeNumber } from '../command.ts';
import { FAULTS, type Fault, faultsOf } from './faults.ts';
import type { Layout } from './instances.ts';

export interface Options {
  minutes: number;
  layout: Layout;
  /** What carries the events. */
  log: 'postgres' | 'kafka';
  callers: number;
  faults: Fault[];
  seed: number;
}

export const USAGE = `npm run soak -- [--minutes M] [--layout apart|together] [--log postgres|kafka] [--callers N]
                    [--faults F,…] [--seed S]

  --minutes M   length of the load (2)
  --layout L    apart: two processes of each service; together: one process with all four, as npm start runs it (apart)
  --log L       what carries the events: PostgreSQL, or three Kafka brokers of its own, where each service has a
                database of its own too (postgres)
  --callers N   each with a user of its own and one request at a time (24)
  --faults F,…  only these; all are, the last four with --log kafka only:
${Object.entries(FAULTS)
  .map(([fault, what]) => `                ${fault.padEnd(8)} ${what}`)
  .join('\n')}
  --seed S      of the faults and the callers' choices; processes and networks do not repeat themselves by it

Everything runs in a temporary folder, on free ports of the loopback interface, and is removed in the end.
`;

/** undefined: help was asked for. Throws a UsageError that names the option. */
export function readOptions(args: string[]): Options | undefined {
  const values = parse(args, {
    minutes: { type: 'string', default: '2' },
    layout: { type: 'string', default: 'apart' },
    log: { type: 'string', default: 'postgres' },
    callers: { type: 'string', default: '24' },
    faults: { type: 'string' },
    seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
    help: { type: 'boolean', default: false },
  });
  if (values.help) return undefined;
  const { log } = values;
  if (log !== 'postgres' && log !== 'kafka')
    throw new UsageError(`--log: ${log} is neither postgres nor kafka`);
  const possible = faultsOf(log);
  const faults = values.faults?.split(',') ?? possible;
  const unknown = faults.find((fault) => !possible.includes(fault as Fault));
  if (unknown !== undefined) throw new UsageError(`--faults: ${unknown} is none of ${possible.join(', ')}`);
  if (values.layout !== 'apart' && values.layout !== 'together')
    throw new UsageError(`--layout: ${values.layout} is neither apart nor together`);
  return {
    minutes: number('--minutes', values.minutes),
    layout: values.layout,
    log,
    callers: wholeNumber('--callers', values.callers),
    faults: faults as Fault[],
    seed: wholeNumber('--seed', values.seed),
  };
}

function number(name: string, text: string): number {
  const value = Number(text);
  if (!(value > 0) || !Number.isFinite(value))
    throw new UsageError(`${name}: ${text} is not a number above 0`);
  return value;
}
