/**
 * What we compare with: the same work as one SQL transaction per order, written by hand, on the same server. By pgbench
 * where the machine has it, else from this process; 32 connections either way.
 */
import { glob, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { resultLetter } from '@stream-processing/contracts/letters.ts';
import { connect, type Sql } from '@stream-processing/runtime/sql.ts';
import { CheckFailed } from './check.ts';
import { percentile } from './statistics.ts';
import { findPgbench, run } from './tools.ts';

const CLIENTS = 32;
/** Minor units. */
const PRICE = 1;
const BALANCE = 100_000_000;

const SCHEMA = `
  create table accounts (
    id      bigint primary key,
    balance bigint not null check (id = 0 or balance >= 0)
  ) with (fillfactor = 70);
  create table orders (
    id         bigint      generated always as identity primary key,
    user_id    bigint      not null,
    price      bigint      not null,
    status     text        not null,
    created_at timestamptz not null default now()
  );
  create index on orders (user_id, id);
  create table transfers (
    id         bigint      generated always as identity primary key,
    order_id   bigint      not null,
    debit      bigint      not null,
    credit     bigint      not null,
    amount     bigint      not null,
    created_at timestamptz not null default now()
  );
  create index on transfers (debit, id);
  create table letters (
    id         bigint      generated always as identity primary key,
    user_id    bigint      not null,
    order_id   bigint      not null,
    subject    text        not null,
    body       text        not null,
    created_at timestamptz not null default now()
  );
  create index on letters (user_id, id);
`;

export interface BaselineRun {
  per_s: number;
  mean_ms: number;
  p50_ms: number;
  p99_ms: number;
}

export interface Baseline {
  /** One transaction after another on each connection, for users 1 to `users`. */
  run(users: number, seconds: number): Promise<BaselineRun>;
  close(): Promise<void>;
}

export async function createBaseline(
  url: string,
  options: { users: number; folder: string; signal: AbortSignal },
): Promise<Baseline> {
  const sql = connect(url, { max: CLIENTS, name: 'baseline', schema: 'public' });
  await sql.unsafe(SCHEMA);
  await sql`insert into accounts select id, ${BALANCE} from generate_series(1, ${options.users}::int) as id`;
  await sql.unsafe('vacuum analyze accounts');
  const pgbench = await findPgbench();
  return {
    async run(users, seconds) {
      const ran = pgbench
        ? await byPgbench(pgbench, url, { ...options, users, seconds })
        : await fromNode(sql, users, seconds, options.signal);
      await check(sql, options.users);
      return ran;
    },
    close: () => sql.end(),
  };
}

/** Each order has its transfer and its letter, and took its price from a balance. */
async function check(sql: Sql, users: number): Promise<void> {
  const [row] = await sql<{ orders: bigint; transfers: bigint; letters: bigint; balance: string }[]>`
    select (select count(*) from orders) as orders, (select count(*) from transfers) as transfers,
      (select count(*) from letters) as letters, (select sum(balance)::text from accounts) as balance`;
  const { orders, transfers, letters, balance } = row!;
  const paid = BigInt(users) * BigInt(BALANCE) - BigInt(balance);
  if (transfers !== orders || letters !== orders || paid !== orders * BigInt(PRICE)) {
    throw new CheckFailed(`${orders} orders, ${transfers} transfers, ${letters} letters, ${paid} debited`);
  }
}

/** The letter to a buyer as our services word it, with SQL in the place of the order's number. */
function letterSql(order: string): { subject: string; body: string } {
  const number = 987654321;
  const letter = resultLetter('ru', { order_id: number, price: BigInt(PRICE), currency: 'RUB', paid: true });
  return {
    subject: `'${letter.subject}'`,
    body: `'${letter.body.replace(String(number), `' || ${order} || '`)}'`,
  };
}

async function byPgbench(
  pgbench: string,
  url: string,
  { users, seconds, folder, signal }: { users: number; seconds: number; folder: string; signal: AbortSignal },
): Promise<BaselineRun> {
  const here = await mkdtemp(path.join(folder, 'pgbench-'));
  const { subject, body } = letterSql(':order_id');
  const script = path.join(here, 'order.sql');
  await writeFile(
    script,
    `\\set user_id random(1, :users)
begin;
insert into orders (user_id, price, status) values (:user_id, ${PRICE}, 'confirmed') returning id as order_id \\gset
update accounts set balance = balance - ${PRICE} where id = :user_id and balance >= ${PRICE};
insert into transfers (order_id, debit, credit, amount) values (:order_id, :user_id, 0, ${PRICE});
insert into letters (user_id, order_id, subject, body) values (:user_id, :order_id, ${subject}, ${body});
commit;
`,
  );
  const log = path.join(here, 'log');
  const output = await run(
    pgbench,
    [
      ...['--no-vacuum', '--protocol=prepared', `--client=${CLIENTS}`, '--jobs=2', `--time=${seconds}`],
      ...[`--file=${script}`, `--define=users=${users}`],
      // Latencies of one transaction in ten, so that keeping them costs pgbench nothing.
      ...['--log', `--log-prefix=${log}`, '--sampling-rate=0.1', url],
    ],
    { signal },
  );
  const latencies: number[] = [];
  for await (const file of glob(`${log}*`))
    latencies.push(...parseTransactionLog(await readFile(file, 'utf8')));
  return { ...parsePgbench(output), p50_ms: percentile(latencies, 50), p99_ms: percentile(latencies, 99) };
}

export function parsePgbench(output: string): { per_s: number; mean_ms: number } {
  const per_s = /^tps = ([\d.]+) \((?:without|excluding)/m.exec(output)?.[1];
  const mean_ms = /^latency average = ([\d.]+) ms/m.exec(output)?.[1];
  if (per_s === undefined || mean_ms === undefined)
    throw new Error(`pgbench gave no figures: ${output.trim()}`);
  const failed = /^number of failed transactions: (\d+)/m.exec(output)?.[1] ?? '0';
  if (failed !== '0') throw new CheckFailed(`${failed} transactions failed`);
  return { per_s: Number(per_s), mean_ms: Number(mean_ms) };
}

/** Milliseconds of each transaction: the third word of a line of `pgbench --log`, which is in microseconds. */
export function parseTransactionLog(text: string): number[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Number(line.split(' ')[2]) / 1000);
}

async function fromNode(sql: Sql, users: number, seconds: number, signal: AbortSignal): Promise<BaselineRun> {
  const latencies: number[] = [];
  const began = performance.now();
  const client = async () => {
    while (performance.now() < began + seconds * 1000 && !signal.aborted) {
      const start = performance.now();
      await placeOrder(sql, 1 + Math.floor(Math.random() * users));
      latencies.push(performance.now() - start);
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  signal.throwIfAborted();
  const took_s = (performance.now() - began) / 1000;
  return {
    per_s: latencies.length / took_s,
    mean_ms: latencies.reduce((sum, ms) => sum + ms, 0) / latencies.length,
    p50_ms: percentile(latencies, 50),
    p99_ms: percentile(latencies, 99),
  };
}

/** As in pgbench's script: the next statement is sent when the one before is answered. */
function placeOrder(sql: Sql, user: number): Promise<void> {
  return sql.begin(async (tx) => {
    const [order] = await tx<{ id: bigint }[]>`
      insert into orders (user_id, price, status) values (${user}, ${PRICE}, 'confirmed') returning id`;
    const order_id = Number(order!.id);
    const letter = resultLetter('ru', { order_id, price: BigInt(PRICE), currency: 'RUB', paid: true });
    await tx`update accounts set balance = balance - ${PRICE} where id = ${user} and balance >= ${PRICE}`;
    await tx`insert into transfers (order_id, debit, credit, amount) values (${order_id}, ${user}, 0, ${PRICE})`;
    await tx`
      insert into letters (user_id, order_id, subject, body)
      values (${user}, ${order_id}, ${letter.subject}, ${letter.body})`;
  });
}
