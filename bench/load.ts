/**
 * Orders from a closed loop: each connection sends its next order when the reply to the one before has come. By wrk
 * where the machine has it, else by autocannon; either is a process of its own that shares the machine's cores.
 */
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Options as OpenLoop, Report } from './open-loop.ts';
import { ROOT } from './program.ts';
import type { Users } from './seed.ts';
import { findInPath, run } from './tools.ts';

/** `POST /orders` of random users at this price, in currency units. */
export const PRICE = 0.01;

const TIMEOUT_S = 20;

export interface LoadOptions {
  /** Of the order service. */
  url: string;
  users: Users;
  connections: number;
  /** Whole seconds. */
  seconds: number;
  /** Of the random users: rounds differ, runs do not. */
  seed: number;
  /** For the script. */
  folder: string;
  signal: AbortSignal;
}

export interface Load {
  /** Replies 2xx. */
  accepted: number;
  /** Other replies, broken connections, time-outs. */
  errors: number;
  seconds: number;
  mean_ms: number;
  p50_ms: number;
  p99_ms: number;
  p999_ms: number;
}

export type LoadGenerator = 'wrk' | 'autocannon';

export async function loadGenerator(): Promise<LoadGenerator> {
  return (await findInPath('wrk')) ? 'wrk' : 'autocannon';
}

export async function placeOrders(options: LoadOptions): Promise<Load> {
  return (await loadGenerator()) === 'wrk' ? byWrk(options) : byAutocannon(options);
}

async function byWrk(options: LoadOptions): Promise<Load> {
  const { url, connections, seconds, folder, signal } = options;
  const script = path.join(folder, `orders-${new URL(url).port}.lua`);
  await writeFile(script, wrkScript(options));
  const output = await run(
    'wrk',
    ['-t1', `-c${connections}`, `-d${seconds}s`, `--timeout=${TIMEOUT_S}s`, '-s', script, url],
    { signal },
  );
  return parseLoad(output);
}

async function byAutocannon({ url, users, connections, seconds, signal }: LoadOptions): Promise<Load> {
  const job = { url, users, connections, seconds, price: PRICE, timeout_s: TIMEOUT_S };
  const program = path.join(ROOT, 'bench', 'autocannon-load.ts');
  return parseLoad(await run(process.execPath, [program, JSON.stringify(job)], { signal }));
}

/** One thread suffices, and the requests of all users are made once: the generator should take little of the cores. */
function wrkScript({ users, seed }: LoadOptions): string {
  return `
local made = {}

function init()
  math.randomseed(${seed})
end

function request()
  local user = math.random(${users.first}, ${users.last})
  if not made[user] then
    local body = '{"user_id":' .. user .. ',"price":${PRICE}}'
    made[user] = wrk.format('POST', '/orders', {['Content-Type'] = 'application/json'}, body)
  end
  return made[user]
end

-- Durations in microseconds. status: replies above 399, of which the product has no others than 2xx.
function done(summary, latency)
  local failed = summary.errors
  io.write(string.format(
    '\\n{"accepted":%d,"errors":%d,"seconds":%f,"mean_ms":%f,"p50_ms":%f,"p99_ms":%f,"p999_ms":%f}\\n',
    summary.requests - failed.status,
    failed.status + failed.connect + failed.read + failed.write + failed.timeout,
    summary.duration / 1e6, latency.mean / 1e3,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency:percentile(99.9) / 1e3))
end
`;
}

/** Orders at a fixed rate whatever the replies do (open-loop.ts), from a process of its own. */
export async function offerOrders(
  options: Pick<OpenLoop, 'rate' | 'seconds'> &
    Partial<Pick<OpenLoop, 'warmup' | 'connections'>> &
    Pick<LoadOptions, 'url' | 'users' | 'signal'>,
): Promise<Report> {
  const { url, users, signal, ...rest } = options;
  const given = {
    url: `${url}/orders`,
    users: users.last - users.first + 1,
    'first-user': users.first,
    price: PRICE,
    ...rest,
  };
  const args = Object.entries(given).map(([name, value]) => `--${name}=${value}`);
  return JSON.parse(
    await run(process.execPath, [path.join(ROOT, 'bench', 'open-loop.ts'), ...args], { signal }),
  );
}

/** The last line that is JSON; wrk prints its own report around it. */
export function parseLoad(output: string): Load {
  const line = output.split('\n').findLast((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`the load generator gave no figures: ${output.trim()}`);
  return JSON.parse(line);
}
