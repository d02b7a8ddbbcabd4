import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { connect, type Sql } from '@stream-processing/runtime/sql.ts';
import { afterAll, beforeAll } from 'vitest';
import type { Api } from './api.ts';
import { createKeptDatabase } from './database.ts';
import { startInstallation } from './installation.ts';

/** One installation for all tests of a file, with a look into its database. */
export interface Shared {
  api: Api;
  urls: Record<ServiceName, string>;
  sql: Sql;
  databaseUrl: string;
}

/** Filled before the first test runs. */
export function shareInstallation(): Shared {
  const shared = {} as Shared;
  let stop = async () => {};
  beforeAll(async () => {
    const database = await createKeptDatabase();
    const installation = await startInstallation(database.url);
    const sql = connect(database.url, { max: 3, name: 'test', schema: 'public' });
    Object.assign(shared, { api: installation.api, urls: installation.urls, sql, databaseUrl: database.url });
    stop = async () => {
      await sql.end();
      await installation.stop();
      await database.drop();
    };
  });
  afterAll(() => stop());
  return shared;
}

/** Runs `work` while nobody else can write to `table`; readers go on. */
export function whileLocked<T>(sql: Sql, table: string, work: () => Promise<T>): Promise<T> {
  return sql.begin(async (tx) => {
    await tx.unsafe(`lock table ${table} in exclusive mode`);
    return work();
  });
}
