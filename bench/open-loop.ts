/**
 * Open-loop load: `POST /orders` at a fixed rate, whatever the replies do. Request number n is due n / rate seconds
 * after the start, and its latency counts from then, so a server that stalls is charged for all that came due meanwhile
 * (no coordinated omission).
 *
 *     node bench/open-loop.ts --url http://127.0.0.1:8003/orders --rate 9000 --seconds 30 --users 10000
 *
 * Each request takes an idle connection, else a new one, up to `--connections`; beyond that it waits here, in order, and
 * its waiting counts. One request at a time on a connection: no pipelining, which clients of an API do not do either.
 * Plain sockets and hand-made HTTP/1.1, since a library's client would be busier than the services.
 */
import { connect, type Socket } from 'node:net';
import { createHistogram, type RecordableHistogram } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { type Reply, ReplyParser, requestText } from './wire.ts';

export interface Options {
  url: URL;
  /** Requests per second. */
  rate: number;
  seconds: number;
  /** Seconds before those, at the same rate, of which nothing is reported: connections open, code gets compiled. */
  warmup: number;
  /** User ids are drawn from `users` ones without gaps, `firstUser` the lowest. */
  users: number;
  firstUser?: number;
  /** Currency units. */
  price: number;
  /** At most so many. */
  connections: number;
}

export interface Report {
  /** Requests that came due; each is accepted, refused or an error. */
  sent: number;
  /** 201 or 202. */
  accepted: number;
  /** Of the accepted: 202, not final yet. */
  pending: number;
  /** 503. */
  refused: number;
  /** Any other status, a connection lost before the reply, or no reply in time. */
  errors: number;
  /** What became of those that came due in the warm-up, which no other figure here counts but the rate. */
  warmup: { accepted: number; refused: number; errors: number };
  /** Per second, of the replies that came while the load ran, also to requests of the warm-up. */
  accepted_rate: number;
  /** 0 where there was none, as below. */
  accepted_p50_ms: number;
  accepted_p99_ms: number;
  refused_p99_ms: number;
  /** How late this program itself was at worst in seeing that a request was due. */
  behind_ms_max: number;
}

/** After the last request: longer than a reply may take by any rule of the product. */
const OUTSTANDING_MS_MAX = 35_000;
/** Replies wake us more often than this under load. */
const TICK_MS = 1;
const CONNECTIONS = 4000;

/** Requests 0, 1, 2 … at `rate` per second: how many of `total` are due at `ms`, and when number n is. */
export function schedule(rate: number, total: number) {
  return {
    due: (ms: number) => Math.min(total, Math.floor((ms * rate) / 1000) + 1),
    dueMs: (n: number) => (n * 1000) / rate,
  };
}

interface Connection {
  socket: Socket;
  /** When the request was due whose reply it waits for; undefined: idle. */
  due: number | undefined;
  reported: boolean;
}

/** Times in ms since the start, in histograms in µs. */
export async function runLoad(options: Options): Promise<Report> {
  const { url, rate, seconds, warmup, users, firstUser = 1, price, connections } = options;
  const unreported = Math.round(rate * warmup);
  const total = unreported + Math.max(1, Math.round(rate * seconds));
  const { due, dueMs } = schedule(rate, total);
  const counts = { accepted: 0, pending: 0, refused: 0, errors: 0 };
  const early = { accepted: 0, refused: 0, errors: 0 };
  const acceptedUs = createHistogram();
  const refusedUs = createHistogram();
  const open = new Set<Connection>();
  // The one used last is taken first, so that a rate uses as few connections as it can.
  const idle: Connection[] = [];
  let seen = 0;
  let sent = 0;
  let settled = 0;
  let acceptedInTime = 0;
  let behindMs = 0;
  let finish: () => void;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  // All connections read into it: what is read is parsed before the next one reads.
  const buffer = Buffer.allocUnsafe(64 * 1024);
  const began = performance.now();
  const elapsed = () => performance.now() - began;

  /** Sends what is due, as far as there are connections. */
  function pump(): void {
    const now = elapsed();
    const end = due(now);
    if (end > seen) {
      if (seen >= unreported) behindMs = Math.max(behindMs, now - dueMs(seen));
      seen = end;
    }
    while (sent < end) {
      const connection = idle.pop() ?? (open.size < connections ? dial() : undefined);
      if (!connection) return;
      connection.due = dueMs(sent);
      connection.reported = sent >= unreported;
      sent += 1;
      const user_id = firstUser + Math.floor(Math.random() * users);
      connection.socket.write(requestText(url, user_id, price), 'latin1');
    }
  }

  function dial(): Connection {
    const parser = new ReplyParser();
    const onread = {
      buffer,
      callback(size: number) {
        try {
          parser.push(buffer.subarray(0, size), (reply) => settle(connection, reply));
        } catch (error) {
          connection.socket.destroy(error as Error);
        }
        return true;
      },
    };
    const socket = connect({ host: url.hostname, port: Number(url.port || 80), noDelay: true, onread });
    const connection: Connection = { socket, due: undefined, reported: false };
    open.add(connection);
    // `close` follows, and counts.
    socket.on('error', () => {});
    socket.on('close', () => {
      open.delete(connection);
      const at = idle.indexOf(connection);
      if (at !== -1) idle.splice(at, 1);
      if (connection.due !== undefined) count(connection, 'errors');
      pump();
    });
    return connection;
  }

  function settle(connection: Connection, { status, last }: Reply): void {
    if (connection.due === undefined) throw new Error('a reply to no request');
    const now = elapsed();
    const us = Math.max(1, Math.round((now - connection.due) * 1000));
    connection.due = undefined;
    if (last) connection.socket.destroy();
    else idle.push(connection);
    const outcome = status === 201 || status === 202 ? 'accepted' : status === 503 ? 'refused' : 'errors';
    // By when it arrives, whenever it was due: what a server owes from before it gets done in this time too.
    if (outcome === 'accepted' && now >= warmup * 1000 && now <= (warmup + seconds) * 1000)
      acceptedInTime += 1;
    if (connection.reported) {
      if (outcome === 'accepted') acceptedUs.record(us);
      if (outcome === 'refused') refusedUs.record(us);
      if (status === 202) counts.pending += 1;
    }
    count(connection, outcome);
    pump();
  }

  function count({ reported }: Connection, outcome: 'accepted' | 'refused' | 'errors'): void {
    if (reported) counts[outcome] += 1;
    else early[outcome] += 1;
    settled += 1;
    if (settled === total) finish();
  }

  const ticking = setInterval(pump, TICK_MS);
  const giveUp = setTimeout(() => finish(), (warmup + seconds) * 1000 + OUTSTANDING_MS_MAX);
  pump();
  await finished;
  clearInterval(ticking);
  clearTimeout(giveUp);
  const reported = total - unreported;
  const report = {
    sent: reported,
    ...counts,
    // Those without a reply to this moment as well.
    errors: reported - counts.accepted - counts.refused,
    /** What became of those that were due before. */
    warmup: { ...early, errors: unreported - early.accepted - early.refused },
    accepted_rate: Math.round(acceptedInTime / seconds),
    accepted_p50_ms: percentileMs(acceptedUs, 50),
    accepted_p99_ms: percentileMs(acceptedUs, 99),
    refused_p99_ms: percentileMs(refusedUs, 99),
    behind_ms_max: round(behindMs),
  };
  // What was never sent must not be sent now, as connections end.
  sent = total;
  for (const { socket } of open) socket.destroy();
  return report;
}

function percentileMs(us: RecordableHistogram, percentile: number): number {
  return us.count === 0 ? 0 : round(us.percentile(percentile) / 1000);
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}

const USAGE = `usage: node bench/open-loop.ts --url http://127.0.0.1:8003/orders --rate N --seconds N --users N
       [--first-user 1] [--warmup 0] [--price 0.01] [--connections ${CONNECTIONS}]`;

/** Throws an Error that says in one line what is wrong. */
export function readOptions(args: string[]): Options | 'help' {
  const string = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      url: string,
      rate: string,
      seconds: string,
      users: string,
      'first-user': { ...string, default: '1' },
      warmup: { ...string, default: '0' },
      price: { ...string, default: '0.01' },
      connections: { ...string, default: String(CONNECTIONS) },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return 'help';
  const url = URL.parse(values.url ?? '');
  if (url?.protocol !== 'http:')
    throw new Error('--url must be an address like http://127.0.0.1:8003/orders');
  const number = (name: 'rate' | 'seconds' | 'warmup' | 'users' | 'first-user' | 'price' | 'connections') => {
    const value = Number(values[name]);
    const whole = name === 'users' || name === 'first-user' || name === 'connections';
    const enough = name === 'warmup' ? value >= 0 : value > 0;
    if (
      !enough ||
      value > Number.MAX_SAFE_INTEGER ||
      (whole && !Number.isInteger(value)) ||
      values[name] === ''
    )
      throw new Error(
        `--${name} must be a ${whole ? 'whole ' : ''}number${name === 'warmup' ? '' : ' above 0'}`,
      );
    return value;
  };
  return {
    url,
    rate: number('rate'),
    seconds: number('seconds'),
    warmup: number('warmup'),
    users: number('users'),
    firstUser: number('first-user'),
    price: number('price'),
    connections: number('connections'),
  };
}

if (import.meta.main) {
  let options: Options | 'help';
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    console.error((error as Error).message);
    process.exit(2);
  }
  console.log(options === 'help' ? USAGE : JSON.stringify(await runLoad(options)));
}
