import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, inject, onTestFinished, test } from 'vitest';
import { createDatabase } from '../test/database.ts';
import { TOY } from '../test/toy.ts';
import { migrate, readerRole } from './migrate.ts';
import { connect, type Sql, schemaOf } from './sql.ts';
import { isTransient } from './sql-errors.ts';
import { StartupError } from './startup-error.ts';

const TOY_FILES = new URL('../test/toy-migrations/', import.meta.url);
const SETTINGS = { partitions: 4, currency: 'RUB' };

function open(url: string): Sql {
  const sql = connect(url, { max: 1, name: 'test', schema: schemaOf(TOY) });
  onTestFinished(() => sql.end());
  return sql;
}

/** The same database as a user who is no superuser. */
async function asUser(url: string, name: string, rights: string): Promise<string> {
  const admin = open(url);
  await admin.unsafe(`create role ${name} login password 'secret' ${rights}`);
  onTestFinished(async () => {
    const last = connect(url, { max: 1, name: 'test', schema: 'public' });
    await last.unsafe(`drop owned by ${name} cascade; drop role ${name}`);
    await last.end();
  });
  await admin.unsafe(`grant create on database "${new URL(url).pathname.slice(1)}" to ${name}`);
  const theirs = new URL(url);
  Object.assign(theirs, { username: name, password: 'secret' });
  return theirs.href;
}

test('instances that start together migrate once, and a later start changes nothing', async () => {
  const url = await createDatabase();
  await Promise.all(Array.from({ length: 4 }, () => migrate(url, TOY, TOY_FILES, SETTINGS)));
  const sql = open(url);
  await sql`update log_head set position = 7`;
  await migrate(url, TOY, TOY_FILES, SETTINGS);
  expect(await sql`select partition, position::int from log_head order by 1`).toEqual(
    [0, 1, 2, 3].map((partition) => ({ partition, position: 7 })),
  );
  expect(await sql`select version::int from migration order by 1`).toEqual([{ version: 0 }, { version: 1 }]);
});

test('a file that fails leaves nothing behind', async () => {
  const url = await createDatabase();
  const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(path.join(folder, '001.do.good.sql'), 'create table good (id int);');
  await writeFile(path.join(folder, '002.do.bad.sql'), 'create table bad (id nonsense);');
  await expect(migrate(url, TOY, pathToFileURL(`${folder}/`), SETTINGS)).rejects.toThrow('nonsense');
  expect(await open(url)`select 1 from pg_namespace where nspname = ${schemaOf(TOY)}`).toHaveLength(0);
});

test('what is fixed at creation cannot change', async () => {
  const url = await createDatabase();
  await migrate(url, TOY, TOY_FILES, SETTINGS);
  await expect(migrate(url, TOY, TOY_FILES, { ...SETTINGS, partitions: 8 })).rejects.toThrow(
    'PARTITIONS is 8, but this installation was created with 4',
  );
  await expect(migrate(url, TOY, TOY_FILES, { ...SETTINGS, currency: 'EUR' })).rejects.toBeInstanceOf(
    StartupError,
  );
});

test('an ordinary database user who may not create roles is told what to do', async () => {
  const url = await createDatabase();
  const server = open(url);
  const other = 'notification-service';
  // Roles belong to the whole server: leave those that other tests use alone.
  const [known] = await server`select 1 from pg_roles where rolname = ${readerRole(other)}`;
  if (!known) await server.unsafe(`create role ${readerRole(other)} nologin`);
  const restricted = await asUser(url, `plain_${process.pid}`, '');
  await expect(migrate(restricted, other, TOY_FILES, SETTINGS)).rejects.toThrow(
    `let an administrator run "create role ${readerRole(other)} nologin; grant ${readerRole(other)} to`,
  );
  await server.unsafe(`grant ${readerRole(other)} to plain_${process.pid}`);
  await migrate(restricted, other, TOY_FILES, SETTINGS);
  expect(await server`select 1 from pg_namespace where nspname = ${schemaOf(other)}`).toHaveLength(1);
});

test('migrations are found in whatever folder the project lies', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'shop [1] {a,b} (x)? *-'));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  await writeFile(path.join(folder, '001.do.things.sql'), 'create table things (id int)');
  const url = await createDatabase();
  await migrate(url, TOY, pathToFileURL(`${folder}/`), SETTINGS);
  expect(await open(url)`select * from things`).toEqual([]);
});

test('a database that cannot hold the letters, or takes I for another letter, is refused in one line', async () => {
  const admin = open(inject('postgresUrl'));
  const given = async (options: string) => {
    const name = `test_${randomUUID().replaceAll('-', '')}`;
    await admin.unsafe(`create database ${name} ${options} template template0`);
    onTestFinished(async () => void (await admin.unsafe(`drop database ${name} with (force)`)));
    const url = new URL(inject('postgresUrl'));
    url.pathname = `/${name}`;
    return url.href;
  };
  const latin = await given("encoding 'LATIN1' locale_provider libc locale 'C'");
  const start = (url: string) => migrate(url, TOY, TOY_FILES, SETTINGS);
  await expect(start(latin)).rejects.toThrow(/^the database has the encoding LATIN1; create it with: /);
  await expect(start(latin)).rejects.toBeInstanceOf(StartupError);
  const turkish = await given("encoding 'UTF8' locale_provider icu icu_locale 'tr' locale 'C'");
  await expect(start(turkish)).rejects.toThrow(/^in the database's locale the letter I is ı in lower case; /);
  const plain = await given("encoding 'UTF8' locale 'C'");
  await expect(start(plain)).resolves.toBeUndefined();
});

test('a migration that would wait for a reader lets everybody else go on, and is tried again', async () => {
  const url = await createDatabase();
  const folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-test-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const files = pathToFileURL(`${folder}/`);
  await writeFile(path.join(folder, '001.do.things.sql'), 'create table things (id int);');
  await migrate(url, TOY, files, SETTINGS);
  await writeFile(path.join(folder, '002.do.more.sql'), 'alter table things add name text;');
  const backup = open(url);
  const error = await backup.begin(async (tx) => {
    await tx`select from things`;
    return migrate(url, TOY, files, SETTINGS).catch((error) => error);
  });
  expect(isTransient(error), String(error)).toBe(true);
  await migrate(url, TOY, files, SETTINGS);
  expect(await open(url)`select name from things`).toEqual([]);
}, 30_000);
