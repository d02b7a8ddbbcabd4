import { fileURLToPath } from 'node:url';
import Postgrator from 'postgrator';
import { connect, schemaOf, type Tx } from './sql.ts';
import { codeOf } from './sql-errors.ts';
import { identifier } from './sql-query.ts';
import { StartupError } from './startup-error.ts';

/** What is fixed when an installation is created. */
export interface Installation {
  /** Shards of users; the same in every service and for ever. */
  partitions: number;
  /** ISO 4217. */
  currency: string;
}

/**
 * Brings a service's schema up to date in one transaction: first the tables that the runtime needs, then the
 * service's own, each from numbered SQL files. Instances that start together wait for one another.
 */
export async function migrate(url: string, service: string, migrations: URL, installation: Installation) {
  const schema = schemaOf(service);
  const sql = connect(url, { max: 1, name: `${service} migration`, schema, lasting: true });
  const attempt = () =>
    sql.begin(async (tx) => {
      await refuseUnfit(tx);
      await tx`select pg_advisory_xact_lock(hashtext('stream-processing migration'))`;
      // What changes a table waits for whoever reads it, a backup say, and everybody else would wait behind that.
      await tx.unsafe(`set local lock_timeout = ${LOCK_MS_MAX}`);
      await tx`create schema if not exists ${identifier(schema)}`;
      await runFiles(tx, schema, new URL('./migrations/', import.meta.url), 'runtime_migration');
      await runFiles(tx, schema, migrations, 'migration');
      await createReader(tx, schema);
      await keepInstallation(tx, installation);
    });
  try {
    // Roles belong to the server: another database's first start may create the same ones at this moment.
    await attempt().catch((error) =>
      codeOf(error) === UNIQUE_VIOLATION ? attempt() : Promise.reject(error),
    );
  } finally {
    await sql.end();
  }
}

const UNIQUE_VIOLATION = '23505';
const LOCK_MS_MAX = 5000;

/** Letters need Unicode; and an address in use is found whatever the case of its letters, which are those of ASCII. */
async function refuseUnfit(tx: Tx) {
  const [database] = await tx<{ encoding: string; lower: string }[]>`
    select current_setting('server_encoding') as encoding, lower('I') as lower`;
  const { encoding, lower } = database!;
  const wanted = "create it with: encoding 'UTF8' locale 'C' template template0";
  if (encoding !== 'UTF8') throw new StartupError(`the database has the encoding ${encoding}; ${wanted}`);
  if (lower !== 'i')
    throw new StartupError(`in the database's locale the letter I is ${lower} in lower case; ${wanted}`);
}

/** The role through which other services read this service's log and tell how far they are, and nothing else. */
export function readerRole(service: string): string {
  return `${schemaOf(service)}_log_reader`;
}

async function runFiles(tx: Tx, schema: string, folder: URL, table: string) {
  const postgrator = new Postgrator({
    driver: 'pg',
    currentSchema: schema,
    // A pattern, in which a folder's own brackets and braces must mean nothing.
    migrationPattern: `${fileURLToPath(folder).replaceAll(/[?*()[\]{}]/g, '\\$&')}*.sql`,
    schemaTable: table,
    execQuery: async (query) => ({ rows: await tx.unsafe(query) }),
    execSqlScript: async (script) => void (await tx.unsafe(script)),
  });
  await postgrator.migrate();
}

async function createReader(tx: Tx, schema: string) {
  const role = `${schema}_log_reader`;
  try {
    const [known] =
      await tx`select pg_has_role(oid, 'member') as member from pg_roles where rolname = ${role}`;
    if (!known) await tx`create role ${identifier(role)} nologin`;
    // Roles belong to the server: another installation's owner may have created it.
    if (!known?.member) await tx`grant ${identifier(role)} to current_user`;
    await tx`grant usage on schema ${identifier(schema)} to ${identifier(role)}`;
    await tx`grant select on log, log_head, log_floor to ${identifier(role)}`;
    await tx`grant execute on function tell_passed to ${identifier(role)}`;
  } catch (error) {
    if (codeOf(error) !== '42501') throw error;
    throw new StartupError(
      `the database user may not create or grant the role ${role}: give it CREATEROLE, or let an administrator run ` +
        `"create role ${role} nologin; grant ${role} to <that user>"`,
    );
  }
}

/** Writes the fixed settings at the first start and refuses others later: users would change their partition. */
async function keepInstallation(tx: Tx, installation: Installation) {
  for (const [setting, value] of Object.entries(installation)) {
    await tx`insert into installation values (${setting}, ${String(value)}) on conflict do nothing`;
    const [kept] = await tx<{ value: string }[]>`select value from installation where setting = ${setting}`;
    if (kept!.value !== String(value)) {
      throw new StartupError(
        `${setting.toUpperCase()} is ${value}, but this installation was created with ${kept!.value}, and that is fixed`,
      );
    }
  }
  const partitions = installation.partitions - 1;
  await tx`insert into log_head (partition) select generate_series(0, ${partitions}::int) on conflict do nothing`;
  await tx`insert into log_floor (partition) select generate_series(0, ${partitions}::int) on conflict do nothing`;
}
