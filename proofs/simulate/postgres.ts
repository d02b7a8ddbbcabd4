/** A real PostgreSQL inside this process (PGlite): one session, which answers at once and can be put back to its first day. */
import { readdir, readFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { schemaOf } from '@stream-processing/runtime/sql.ts';
import { Snapshot, type WasmModule } from './snapshot.ts';

const ROOT = new URL('../../', import.meta.url);
const SETTINGS = {
  // The less memory, the sooner it is put back.
  shared_buffers: '2MB',
  wal_buffers: '1MB',
  max_connections: '4',
  // Nothing here survives the process.
  wal_level: 'minimal',
  max_wal_senders: '0',
  synchronous_commit: 'off',
  full_page_writes: 'off',
  track_counts: 'off',
  log_min_messages: 'panic',
  // As the services set them for their connections (sql.ts).
  plan_cache_mode: 'force_generic_plan',
  enable_seqscan: 'off',
  jit: 'off',
};

/**
 * Notes each cursor that does not move forward, which no later look could tell: most events that are applied twice meet a
 * unique key, and the others leave no trace.
 */
const WATCH = `
  create schema watch;
  create table watch.cursor_steps (service text, source text, partition int, before bigint, after bigint);
  create function watch.note() returns trigger language plpgsql as $$ begin
    insert into watch.cursor_steps values (tg_table_schema, old.source, old.partition, old.position, new.position);
    return null;
  end $$;
  ${SERVICES.map(
    (service) => `create trigger watch after update on ${schemaOf(service)}.cursor
      for each row when (new.position <= old.position) execute function watch.note();`,
  ).join('\n')}`;

export class InProcessPostgres {
  readonly #pglite: PGlite;
  readonly #snapshot: Snapshot;

  private constructor(pglite: PGlite) {
    this.#pglite = pglite;
    this.#snapshot = new Snapshot(
      pglite.Module as unknown as WasmModule,
      `${PGlite.paths.PGDATA}/PG_VERSION`,
    );
  }

  /**
   * With the tables of all services, as their migrations make them. Their followers have told once that they are there: one
   * that was never heard of would hold no event back.
   */
  static async create(
    partitions: number,
    followersOf: (service: ServiceName) => ServiceName[],
  ): Promise<InProcessPostgres> {
    const wake = silenceAlarms();
    const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const pglite = await PGlite.create({ startParams: [...PGlite.defaultStartParams, ...settings] });
    for (const service of SERVICES) {
      await pglite.exec(`create schema ${schemaOf(service)}; set search_path to ${schemaOf(service)}`);
      for (const folder of ['runtime/migrations/', `services/${service}/migrations/`]) {
        const names = (await readdir(new URL(folder, ROOT))).sort();
        for (const name of names) await pglite.exec(await readFile(new URL(folder + name, ROOT), 'utf8'));
      }
      await pglite.exec(`
        insert into installation values ('partitions', '${partitions}'), ('currency', 'RUB');
        insert into log_head (partition) select generate_series(0, ${partitions - 1});
        insert into log_floor (partition) select generate_series(0, ${partitions - 1});
        insert into log_follower (follower, partition, position, told_at)
        select follower, partition, 0, now()
        from unnest('{${followersOf(service).join()}}'::text[]) as follower, log_floor`);
    }
    await pglite.exec(WATCH);
    wake();
    return new InProcessPostgres(pglite);
  }

  /** As it was when it was created, or `keep` was called last. */
  reset(): void {
    this.#snapshot.restore();
  }

  /** It is put back to this moment from now on. */
  keep(): void {
    this.#snapshot.take();
  }

  /** Sends messages of PostgreSQL's protocol; `receive` gets the answers before this returns. */
  run(messages: Uint8Array, receive: (bytes: Buffer) => void): void {
    const wake = silenceAlarms();
    try {
      const options = { syncToFs: false, onRawData: (bytes: Uint8Array) => receive(Buffer.from(bytes)) };
      // It runs before its first await.
      void this.#pglite.execProtocolRawStream(messages, options);
    } finally {
      wake();
    }
  }
}

/**
 * PostgreSQL's own alarms (its statistics, written after ten idle seconds) are no part of the world: whenever one rang, it
 * would draw a place among the timers. Answers how to let alarms be set again.
 */
function silenceAlarms(): () => void {
  const { setTimeout } = globalThis;
  globalThis.setTimeout = (() => undefined) as unknown as typeof setTimeout;
  return () => {
    globalThis.setTimeout = setTimeout;
  };
}
