import { CheckFailed } from '../check.ts';
import { type Load, placeOrders } from '../load.ts';
import { ordersRow } from '../orders.ts';
import { startProgram } from '../program.ts';
import type { Row } from '../report.ts';
import { until } from '../until.ts';
import { BASELINE_UNIFORM } from './baseline.ts';
import type { Case } from './case.ts';
import { oursTitle } from './ours.ts';

const FULL = { connections: [1, 16, 64, 256], seconds: 4 };
const QUICK = { connections: [16, 256], seconds: 1 };
const WARM_UP = { connections: 16, seconds: 1 };
const SETTLED_MS_MAX = 60_000;

/** The same scenario built in another style: `bench/styles/NAME.ts`, four processes, on a database of its own. */
export function style(name: string, title: string): Case {
  return {
    name: `style-${name}`,
    async run({ size, folder, signal, createDatabase, dropDatabase }, round) {
      const { connections: levels, seconds } = size.quick ? QUICK : FULL;
      const database = `style_${name.replaceAll('-', '_')}_${round}`;
      const env = {
        ...process.env,
        DATABASE_URL: await createDatabase(database),
        USERS: String(size.users),
      };
      const file = `bench/styles/${name}.ts`;
      const program = await startProgram({ file, env, ready: /^ready /, folder, signal });
      try {
        const url = program.lines.at(-1)!.slice('ready '.length);
        const users = { first: 1, last: size.users };
        const place = (connections: number, duration: number) =>
          placeOrders({ url, users, connections, seconds: duration, seed: round, folder, signal });
        await place(WARM_UP.connections, WARM_UP.seconds);
        const rows: Row[] = [];
        for (const connections of levels) {
          const before = await readCheck(url, signal);
          const load = await place(connections, seconds);
          await check(url, before, { ...load, connections }, signal);
          const against = [BASELINE_UNIFORM, oursTitle(connections)];
          rows.push(ordersRow(`${title}, ${connections}`, load, { against }));
        }
        return rows;
      } finally {
        await program.stop();
        await dropDatabase(database);
      }
    },
  };
}

interface Counts {
  orders: number;
  debits: number;
  letters: number;
  balanced: boolean;
}

async function readCheck(url: string, signal: AbortSignal): Promise<Counts> {
  const response = await fetch(`${url}/check`, { signal });
  const text = await response.text();
  if (!response.ok) throw new CheckFailed(`GET /check: ${response.status} ${text}`);
  return JSON.parse(text);
}

async function check(url: string, before: Counts, load: Load & { connections: number }, signal: AbortSignal) {
  let after = before;
  await until(
    'every order has its status, its debit and its letter',
    async () => {
      after = await readCheck(url, signal);
      // A status may be the last thing to be written.
      return after.balanced && after.letters === after.orders && after.debits === after.orders;
    },
    { ms: SETTLED_MS_MAX, signal },
  );
  const orders = after.orders - before.orders;
  const most = load.accepted + load.errors + load.connections;
  if (orders < load.accepted || orders > most) {
    throw new CheckFailed(`${orders} new orders, but ${load.accepted} accepted and ${most} sent`);
  }
}
