/**
 * The audit as a command: reads the databases of an installation, running or not, and tells of each invariant whether it holds.
 * Exit code 1 where one does not, with the rows that offend it; 2 where the installation cannot be looked at.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { asStartupError } from '@stream-processing/runtime/startup-error.ts';
import { parse, runCommand, wholeNumber } from '../command.ts';
import { audit, withLooks } from './audit.ts';
import { type Finding, type Invariant, offenceText, stillOffending } from './invariant.ts';

export interface Site {
  urls: Record<ServiceName, string>;
  close: () => Promise<void>;
}

interface AuditCommand {
  /** As it is called. */
  name: string;
  /** Which installation, in words. */
  about: string;
  args: string[];
  visit: () => Promise<Site>;
}

const OPTIONS = `  --at-rest  nothing is under way: no order may be pending, no event unapplied
  --rows N   offending rows printed for each invariant (10)
`;
/**
 * Databases of their own are seen a moment apart, so what is under way can look wrong. What is wrong stays, and is found by
 * every look.
 */
const LOOKS = 4;
const PAUSE_MS = 1000;

interface Options {
  atRest: boolean;
  rows: number;
}

export async function runAudit({ name, about, args, visit }: AuditCommand): Promise<void> {
  await runCommand({
    name,
    args,
    usage: `${name} [--at-rest] [--rows N]\n\n${about}\n\n${OPTIONS}`,
    readOptions(given): Options | undefined {
      const values = parse(given, {
        'at-rest': { type: 'boolean', default: false },
        rows: { type: 'string', default: '10' },
        help: { type: 'boolean', default: false },
      });
      if (values.help) return undefined;
      return {
        atRest: values['at-rest'],
        rows: wholeNumber('--rows', values.rows, { min: 0, max: 999_999 }),
      };
    },
    async run(options) {
      const site = await visit();
      try {
        return await report(site.urls, options).catch((error) => {
          throw asStartupError(error, 'the databases');
        });
      } finally {
        await site.close();
      }
    },
  });
}

async function report(urls: Record<ServiceName, string>, { atRest, rows }: Options): Promise<number> {
  let looked = new Map<Invariant, Finding>();
  const looks_max = new Set(Object.values(urls)).size === 1 ? 1 : LOOKS;
  for (let look = 1; look <= looks_max; look += 1) {
    const before = looked;
    looked = new Map();
    await withLooks(urls, (looks) =>
      audit(looks, {
        atRest,
        told: (invariant, finding) => looked.set(invariant, stillOffending(finding, before.get(invariant))),
      }),
    );
    if (![...looked.values()].some(({ offences }) => offences.length > 0)) break;
    if (look < looks_max) await delay(PAUSE_MS);
  }
  let broken = 0;
  for (const [{ name }, { looked: what, offences }] of looked) {
    if (offences.length > 0) broken += 1;
    console.log(`${offences.length === 0 ? 'holds ' : 'BROKEN'}  ${name} (${what})`);
    for (const offence of offences.slice(0, rows)) console.log(`          ${offenceText(offence)}`);
    if (offences.length > rows) console.log(`          … ${offences.length} rows in all`);
  }
  console.log(
    broken === 0 ? `${looked.size} invariants hold` : `${broken} of ${looked.size} invariants are broken`,
  );
  return broken === 0 ? 0 : 1;
}
