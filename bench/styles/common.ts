/**
 * What both styles need, whatever their way of collaborating: four processes of one program, a pool each, calls over
 * connections that stay open. The pools are the product's own (runtime/sql.ts), so statements are prepared and plans
 * chosen exactly as there; durability is PostgreSQL's default.
 *
 *     DATABASE_URL=postgres://… USERS=10000 node bench/styles/synchronous.ts
 *
 * starts the services on an empty database, prints `ready http://127.0.0.1:PORT` (of order-service) and runs until
 * SIGINT or SIGTERM, or until one of its processes dies.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { connect, type Sql, schemaOf } from '@stream-processing/runtime/sql.ts';
import { identifier } from '@stream-processing/runtime/sql-query.ts';
import Fastify, { type FastifyInstance } from 'fastify';

export interface Room {
  app: FastifyInstance;
  /** On the service's own schema. */
  sql: Sql;
  /** Addresses of the services that started before. */
  urls: Partial<Record<ServiceName, string>>;
  /** Users 1 … `users` are there from the start. */
  users: number;
}

export interface Part {
  /** `create table …`, in the service's schema. */
  tables: string;
  start(room: Room): void | Promise<void>;
}

export type Style = Record<ServiceName, Part>;

/** Connections of each service; 12, 16, 32 and 60 came out alike, as two cores are busy with any of them. */
const POOL = 32;

/** Without a further argument the parent of four processes; each of those is this program with its role as argument. */
export async function run(file: string, style: Style): Promise<void> {
  const role = process.argv[2] as ServiceName | undefined;
  if (role) await serve(role, style[role]);
  else await supervise(file);
}

async function supervise(file: string): Promise<void> {
  const children: ChildProcess[] = [];
  const stop = async (code: number) => {
    const living = children.splice(0).filter((child) => child.exitCode === null && child.signalCode === null);
    for (const child of living) child.removeAllListeners('exit').kill('SIGTERM');
    await Promise.all(living.map((child) => once(child, 'exit')));
    process.exit(code);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop(0));

  const urls: Room['urls'] = {};
  // One after the other: each is told where those before it listen; order-service, the last, calls them all.
  for (const role of SERVICES) {
    const child = fork(file, [role], { env: { ...process.env, URLS: JSON.stringify(urls) } });
    children.push(child);
    child.once('exit', (code, signal) => {
      console.error(`${role} ended with ${code ?? signal}`);
      stop(1);
    });
    [urls[role]] = await once(child, 'message');
  }
  console.log(`ready ${urls['order-service']}`);
}

async function serve(role: ServiceName, part: Part): Promise<void> {
  // Ctrl-C reaches the whole group; the parent ends us, also by its own death.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(1));

  const schema = schemaOf(role);
  const sql = connect(process.env.DATABASE_URL!, { max: POOL, name: role, schema, lasting: true });
  await sql`create schema ${identifier(schema)}`;
  await sql.unsafe(part.tables);
  const app = Fastify();
  const urls = JSON.parse(process.env.URLS!);
  await part.start({ app, sql, urls, users: Number(process.env.USERS) });
  process.send!(await app.listen({ host: '127.0.0.1', port: 0 }));
}

// node:http, not `fetch`: with that a third fewer orders got through.
const agent = new Agent({ keepAlive: true });

/** The JSON that a service answers; rejects unless the status is 2xx. */
export function call<T>(method: 'GET' | 'POST', url: string, body?: object): Promise<T> {
  const text = body && JSON.stringify(body);
  const headers = text
    ? { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }
    : {};
  return new Promise((resolve, reject) => {
    const sent = request(url, { method, agent, headers }, (response) => {
      let reply = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        reply += chunk;
      });
      response.on('error', reject).on('end', () => {
        const { statusCode } = response;
        if (statusCode! < 300) return resolve(JSON.parse(reply));
        reject(Object.assign(new Error(`${method} ${url}: ${reply}`), { statusCode }));
      });
    });
    sent.on('error', reject).end(text);
  });
}
