/**
 * `node bench/mixed-load.ts JOB`: a closed loop of callers who place orders, deposit money and read. wrk talks to one
 * address, and the four services have one each; so each caller here keeps a connection to each service, and has one
 * request under way at a time. Plain sockets, so that the generator takes little of the cores it shares. JOB is JSON, a
 * `MixedJob`; prints a `MixedLoad` as one line.
 */
import { connect, type Socket } from 'node:net';
import type { Users } from './seed.ts';
import { percentile } from './statistics.ts';
import { ReplyParser } from './wire.ts';

export interface MixedJob {
  /** Of the services. */
  orders: string;
  billing: string;
  notifications: string;
  users: Users;
  callers: number;
  seconds: number;
  /** Of an order and of a deposit, in currency units. */
  price: number;
}

export const KINDS = ['orders', 'deposits', 'letters', 'statements'] as const;

export type Kind = (typeof KINDS)[number];

/** Of all requests, in percent. */
const SHARE: Record<Kind, number> = { orders: 70, deposits: 10, letters: 10, statements: 10 };

export interface KindLoad {
  /** Replies 2xx. */
  accepted: number;
  /** Other replies, broken connections, no reply in time. */
  errors: number;
  p50_ms: number;
  p99_ms: number;
  p999_ms: number;
}

export type MixedLoad = Record<Kind, KindLoad> & { seconds: number };

const LATE_MS_MAX = 20_000;

async function load(job: MixedJob): Promise<MixedLoad> {
  const latencies: Record<Kind, number[]> = { orders: [], deposits: [], letters: [], statements: [] };
  const errors: Record<Kind, number> = { orders: 0, deposits: 0, letters: 0, statements: 0 };
  const began = performance.now();
  const end = began + job.seconds * 1000;
  const late = AbortSignal.timeout(job.seconds * 1000 + LATE_MS_MAX);
  const call = async () => {
    const lines = new Map<string, Line>();
    while (performance.now() < end) {
      const kind = draw();
      const { url, text } = request(kind, job);
      const start = performance.now();
      const line = lines.get(url) ?? new Line(new URL(url), late);
      lines.set(url, line);
      const status = await line.ask(text);
      if (status === undefined) lines.delete(url);
      if (status !== undefined && status < 300) latencies[kind].push(performance.now() - start);
      else errors[kind] += 1;
    }
    for (const line of lines.values()) line.close();
  };
  await Promise.all(Array.from({ length: job.callers }, call));
  const seconds = (performance.now() - began) / 1000;
  const kinds = KINDS.map((kind) => [kind, kindLoad(latencies[kind], errors[kind])]);
  return { ...Object.fromEntries(kinds), seconds };
}

function kindLoad(latencies: number[], errors: number): KindLoad {
  const at = (percent: number) => (latencies.length > 0 ? percentile(latencies, percent) : 0);
  return { accepted: latencies.length, errors, p50_ms: at(50), p99_ms: at(99), p999_ms: at(99.9) };
}

function draw(): Kind {
  let rest = Math.random() * 100;
  return (
    KINDS.find((kind) => {
      rest -= SHARE[kind];
      return rest < 0;
    }) ?? 'orders'
  );
}

function request(kind: Kind, { orders, billing, notifications, users, price }: MixedJob) {
  const user = users.first + Math.floor(Math.random() * (users.last - users.first + 1));
  switch (kind) {
    case 'orders':
      return { url: orders, text: postText('/orders', { user_id: user, price }) };
    case 'deposits':
      return { url: billing, text: postText(`/accounts/${user}/deposit`, { amount: price }) };
    case 'letters':
      return { url: notifications, text: getText(`/notifications?user_id=${user}&order=desc&limit=10`) };
    case 'statements':
      return { url: billing, text: getText(`/accounts/${user}/transfers?order=desc&limit=10`) };
  }
}

function getText(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
}

function postText(path: string, body: object): string {
  const text = JSON.stringify(body);
  return (
    `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${text.length}\r\n\r\n${text}`
  );
}

/** One connection with one request under way at a time. */
class Line {
  readonly #socket: Socket;
  #answer: (status: number | undefined) => void = () => {};

  constructor({ hostname, port }: URL, late: AbortSignal) {
    const parser = new ReplyParser();
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true, signal: late });
    this.#socket.on('data', (chunk) => {
      parser.push(chunk, ({ status }) => this.#answer(status));
    });
    // `close` follows.
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => this.#answer(undefined));
  }

  /** The status of the reply; undefined when the connection ended before it. */
  ask(text: string): Promise<number | undefined> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve(undefined);
      this.#answer = resolve;
      this.#socket.write(text, 'latin1');
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

if (import.meta.main) console.log(JSON.stringify(await load(JSON.parse(process.argv[2]!))));
