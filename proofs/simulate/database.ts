/**
 * A real PostgreSQL inside this process (PGlite), one connection, as all processes of a simulated installation see it: whole
 * transactions take turns, in an order of the seed's choice, and fail as the seed says.
 */
import { readdir, readFile } from 'node:fs/promises';
import { PGlite } from '@electric-sql/pglite';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { type Sql, schemaOf, type Tx } from '@stream-processing/runtime/sql.ts';
import { ConnectionLost } from '@stream-processing/runtime/sql-errors.ts';
import { type Rows, type Statement, statement } from '@stream-processing/runtime/sql-query.ts';
import type { Random } from '../random.ts';
import type { Clock } from './clock.ts';
import type { Faults } from './faults.ts';

/** Whose statements they are: one that has died gets no answers any more. */
export interface Owner {
  readonly alive: boolean;
  die(): void;
  /** Resolves at once, unless the owner stands still. */
  awake(): Promise<void>;
}

export interface Surroundings {
  clock: Clock;
  random: Random;
  faults: Faults;
}

const ROOT = new URL('../../', import.meta.url);
const INT8 = 20;
const BYTEA = 17;
const IDENTITY: Record<number, (value: unknown) => string> = new Proxy(
  {},
  { get: () => (value: unknown) => value },
);
const SLOW_MS = 3000;

export class Database {
  readonly #pglite: PGlite;
  #holder: Owner | undefined;
  #waiting: { owner: Owner; enter: () => void }[] = [];
  #surroundings!: Surroundings;
  /** Where statements look for their tables; undefined: to be set. */
  #path: string | undefined;

  private constructor(pglite: PGlite) {
    this.#pglite = pglite;
  }

  /** With the tables of all services, as their migrations make them. */
  static async create(): Promise<Database> {
    const pglite = await PGlite.create();
    for (const service of SERVICES) {
      await pglite.exec(`create schema ${schemaOf(service)}; set search_path to ${schemaOf(service)}`);
      for (const folder of ['runtime/migrations/', `services/${service}/migrations/`]) {
        const names = (await readdir(new URL(folder, ROOT))).sort();
        for (const name of names) await pglite.exec(await readFile(new URL(folder + name, ROOT), 'utf8'));
      }
    }
    return new Database(pglite);
  }

  /** As on the first day of an installation. */
  async reset(partitions: number, surroundings: Surroundings): Promise<void> {
    this.#surroundings = surroundings;
    this.#holder = undefined;
    this.#waiting = [];
    this.#path = undefined;
    await this.#pglite.exec('rollback');
    for (const service of SERVICES) {
      await this.#pglite.exec(`
        set search_path to ${schemaOf(service)};
        do $$ declare name text; begin
          for name in select tablename from pg_tables where schemaname = '${schemaOf(service)}' loop
            -- Not deleted: the order in which rows are read must not depend on the seed before.
            execute format('truncate %I', name);
          end loop;
          for name in select sequencename from pg_sequences where schemaname = '${schemaOf(service)}' loop
            execute format('alter sequence %I restart', name);
          end loop;
        end $$;
        insert into installation values ('partitions', '${partitions}'), ('currency', 'RUB');
        insert into log_head (partition) select generate_series(0, ${partitions - 1})`);
    }
  }

  /** A pool of one owner on one schema. */
  sqlFor(owner: Owner, schema: string): Sql {
    const alone = <T extends Rows>(strings: TemplateStringsArray, ...values: unknown[]) => {
      const asked = statement(strings, values);
      return this.#exclusively(owner, async () => {
        await this.#pause(owner);
        return (await this.#run(schema, asked)) as T;
      });
    };
    const unsafe = () => Promise.reject(new Error('no statements without values here'));
    return Object.assign(alone, {
      unsafe,
      begin: <T>(work: (tx: Tx) => Promise<T>) =>
        this.#exclusively(owner, () => this.#transact(owner, schema, work)),
      end: async () => {},
    });
  }

  /** Is no transaction under way? */
  get isIdle(): boolean {
    return this.#holder === undefined;
  }

  /** What `work` finds while the database is idle, without faults. */
  async look<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return work(this.#txOn('public', (schema, asked) => this.#query(schema, asked)));
  }

  /** An owner died: the server ends its transaction, and those of others go on. */
  async buried(owner: Owner): Promise<void> {
    this.#waiting = this.#waiting.filter((waiting) => waiting.owner !== owner);
    if (this.#holder !== owner) return;
    await this.#rollback();
    this.#leave();
  }

  /** What was set in the transaction is undone too. */
  #rollback(): Promise<unknown> {
    this.#path = undefined;
    return this.#apart(() => this.#pglite.exec('rollback'));
  }

  async #exclusively<T>(owner: Owner, work: () => Promise<T>): Promise<T> {
    await owner.awake();
    if (!owner.alive) return never();
    if (this.#holder) await new Promise<void>((enter) => this.#waiting.push({ owner, enter }));
    else this.#holder = owner;
    try {
      return await work();
    } finally {
      if (owner.alive) this.#leave();
    }
  }

  #leave(): void {
    const { random } = this.#surroundings;
    const next = this.#waiting.length > 0 ? random.integer(0, this.#waiting.length - 1) : -1;
    const [chosen] = next < 0 ? [] : this.#waiting.splice(next, 1);
    this.#holder = chosen?.owner;
    chosen?.enter();
  }

  async #transact<T>(owner: Owner, own: string, work: (tx: Tx) => Promise<T>): Promise<T> {
    const { faults } = this.#surroundings;
    await this.#apart(() => this.#pglite.exec('begin'));
    let failed: unknown;
    // One after the other, in the order of the calls, as they would travel.
    let last: Promise<unknown> = Promise.resolve();
    const ask = (schema: string, asked: Statement): Promise<Rows> => {
      const answer = last.then(async () => {
        if (failed) throw failed;
        try {
          await this.#pause(owner);
          if (faults.strikes('cut')) throw lost('cut');
          if (faults.strikes('deadlock'))
            throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
          return await this.#run(schema, asked);
        } catch (error) {
          failed = error;
          throw error;
        }
      });
      last = answer.catch(() => {});
      answer.catch(() => {});
      return answer;
    };
    try {
      const result = await work(this.#txOn(own, ask));
      await last;
      if (failed) throw failed;
      await this.#commit(owner);
      return result;
    } catch (error) {
      if (owner.alive && !(error instanceof Unanswered)) await this.#rollback();
      throw error instanceof Unanswered ? lost('unanswered') : error;
    }
  }

  async #commit(owner: Owner): Promise<void> {
    const { faults } = this.#surroundings;
    await this.#pause(owner);
    if (faults.strikes('crashBeforeCommit')) return die(owner);
    await this.#apart(() => this.#pglite.exec('commit'));
    if (faults.strikes('crashAfterCommit')) return die(owner);
    if (faults.strikes('unanswered')) throw new Unanswered();
  }

  #txOn(own: string, ask: (schema: string, asked: Statement) => Promise<Rows>): Tx {
    const txIn = (schema: string): Tx =>
      Object.assign(
        <T extends Rows>(strings: TemplateStringsArray, ...values: unknown[]) =>
          ask(schema, statement(strings, values)) as Promise<T>,
        { unsafe: () => Promise.reject(new Error('no statements without values here')), in: txIn },
      );
    return txIn(own);
  }

  async #pause(owner: Owner): Promise<void> {
    const { clock, random, faults } = this.#surroundings;
    await clock.sleep(faults.strikes('slow') ? SLOW_MS : random.integer(0, 3));
    await owner.awake();
    if (!owner.alive) return never();
  }

  #run(schema: string, { text, values }: Statement): Promise<Rows> {
    return this.#apart(() => this.#query(schema, { text, values }));
  }

  async #query(schema: string, { text, values }: Pick<Statement, 'text' | 'values'>): Promise<Rows> {
    if (this.#path !== schema) await this.#pglite.exec(`set search_path to ${schema}`);
    this.#path = schema;
    const { rows } = await this.#pglite.query<Rows[number]>(text, values, {
      // Values are as PostgreSQL reads them already.
      serializers: IDENTITY,
      parsers: { [INT8]: (value) => BigInt(value), [BYTEA]: (value) => Buffer.from(value.slice(2), 'hex') },
    });
    return rows;
  }

  /**
   * Goes on in a turn of its own, whose place was drawn before: how many promises deep PGlite answers depends on what it
   * did before, and must not decide who goes first.
   */
  async #apart<T>(work: () => Promise<T>): Promise<T> {
    const { clock, random } = this.#surroundings;
    const place = random.next();
    const settled = await work().then(
      (value) => ({ value }),
      (error) => ({ error }),
    );
    await new Promise<void>((resolve) => clock.after(0, resolve, place));
    if ('error' in settled) throw settled.error;
    return settled.value;
  }
}

class Unanswered extends Error {}

function lost(code: string): ConnectionLost {
  return new ConnectionLost(Object.assign(new Error('the connection is lost'), { code }));
}

function die(owner: Owner): Promise<never> {
  owner.die();
  return never();
}

function never(): Promise<never> {
  return new Promise(() => {});
}
