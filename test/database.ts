import { randomUUID } from 'node:crypto';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { connect } from '@stream-processing/runtime/sql.ts';
import { inject, onTestFinished } from 'vitest';

/** A database of one's own on the tests' server; dropped when the test ends. */
export async function createDatabase(): Promise<string> {
  const database = await createKeptDatabase();
  onTestFinished(database.drop);
  return database.url;
}

/** One for each service. */
export async function createDatabases(): Promise<Record<ServiceName, string>> {
  const made = SERVICES.map(async (service) => [service, await createDatabase()]);
  return Object.fromEntries(await Promise.all(made)) as Record<ServiceName, string>;
}

/** A database where several tests share it: whoever made it drops it. */
export async function createKeptDatabase(): Promise<{ url: string; drop: () => Promise<void> }> {
  const admin = inject('postgresUrl');
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  await run(admin, `create database ${name}`);
  const url = new URL(admin);
  url.pathname = `/${name}`;
  return { url: url.href, drop: () => run(admin, `drop database ${name} with (force)`) };
}

async function run(url: string, statement: string) {
  const sql = connect(url, { max: 1, name: 'test', schema: 'public' });
  await sql.unsafe(statement);
  await sql.end();
}
