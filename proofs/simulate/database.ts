/**
 * The database as all processes of a simulated installation see it: whole transactions take turns, in an order of the
 * seed's choice, and fail as the seed says. The services' own code asks it (sql.ts, sql-group.ts); this stands for the
 * driver's pools and connections.
 */
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { type Sql, sqlOn, type Tx } from '@stream-processing/runtime/sql.ts';
import { Group } from '@stream-processing/runtime/sql-group.ts';
import { DatabaseError } from 'pg-protocol';
import type { Random } from '../random.ts';
import type { Clock } from './clock.ts';
import type { Faults } from './faults.ts';
import { InProcessPostgres } from './postgres.ts';
import { type Sent, Session } from './session.ts';

/** Whose statements they are: one that has died gets no answers any more. */
export interface Owner {
  readonly alive: boolean;
  die(): void;
  /** Stands still for so long: nothing that it begins goes on before that. */
  pause(ms: number): void;
  /** For how long it will not go on. */
  readonly pausedFor: number;
  /** Resolves at once, unless the owner stands still. */
  awake(): Promise<void>;
}

export interface Surroundings {
  clock: Clock;
  random: Random;
  faults: Faults;
}

/** Longer than a fresh read waits. */
const SLOW_MS_MAX = 3000;
const PAUSE_MS_MAX = 5000;
/** A transaction whose owner stands still for longer is ended by the server. */
const IDLE_MS_MAX = 1000;

export class Database {
  readonly #session: Session;
  readonly #connections = new Map<string, Connection>();
  #holder: Owner | undefined;
  #heldSchema = '';
  #waiting: { owner: Owner; enter: () => void }[] = [];
  #surroundings!: Surroundings;

  private constructor(session: Session) {
    this.#session = session;
  }

  static async create(
    partitions: number,
    followersOf: (service: ServiceName) => ServiceName[],
  ): Promise<Database> {
    return new Database(new Session(await InProcessPostgres.create(partitions, followersOf)));
  }

  /** As on the first day of an installation. */
  reset(surroundings: Surroundings): void {
    this.#surroundings = surroundings;
    this.#holder = undefined;
    this.#waiting = [];
    this.#session.reset();
  }

  /** From now on the statements that were asked so far are prepared on the first day. */
  keepPrepared(): void {
    this.#session.keepPrepared();
  }

  /** A pool of one owner on one schema. */
  sqlFor(owner: Owner, schema: string, { writes = false } = {}): Sql {
    const connect = () => {
      // Late: it will write what it decides upon what it knows now, when others have taken over.
      if (writes && this.#surroundings.faults.strikes('late'))
        owner.pause(this.#surroundings.random.integer(1, PAUSE_MS_MAX));
      return this.#connect(owner, schema);
    };
    const pool = { ending: false, connect, end: async () => {} };
    return sqlOn(pool as never, schema);
  }

  /** Is no transaction under way? */
  get isIdle(): boolean {
    return this.#holder === undefined;
  }

  /** What `work` finds while the database is idle, without faults. */
  look<T>(work: (tx: Tx) => Promise<T>): Promise<T> {
    return this.sqlFor(OBSERVER, 'pg_catalog').begin(work);
  }

  /** An owner died: the server ends its transaction, and those of others go on. */
  buried(owner: Owner): void {
    this.#waiting = this.#waiting.filter((waiting) => waiting.owner !== owner);
    if (this.#holder !== owner) return;
    // It may have been let in a moment ago, and what it asks for next must not be taken for that of whoever comes now.
    this.#connections.delete(this.#heldSchema);
    this.#session.run('rollback');
    this.#leave();
  }

  async #connect(owner: Owner, schema: string): Promise<Connection> {
    await owner.awake();
    if (!owner.alive) return never();
    if (this.#holder) await new Promise<void>((enter) => this.#waiting.push({ owner, enter }));
    else this.#holder = owner;
    // Died in the very moment in which it was let in: its turn is somebody else's already.
    if (!owner.alive) return never();
    // One for each schema, whoever has it: what it knows of its prepared statements is the same for all.
    const known = this.#connections.get(schema);
    const connection = known ?? new Connection(this.#session, schema);
    this.#connections.set(schema, connection);
    const surroundings = owner === OBSERVER ? undefined : this.#surroundings;
    this.#heldSchema = schema;
    connection.begin(owner, surroundings, () => {
      // The next one on this schema is another connection; whoever had this one may still speak to it.
      if (connection.isLost) this.#connections.delete(schema);
      this.#leave();
    });
    return connection;
  }

  #leave(): void {
    const { random } = this.#surroundings;
    const next = this.#waiting.length > 0 ? random.integer(0, this.#waiting.length - 1) : -1;
    const [chosen] = next < 0 ? [] : this.#waiting.splice(next, 1);
    this.#holder = chosen?.owner;
    chosen?.enter();
  }
}

/** Nobody's: it neither waits nor fails. */
const OBSERVER: Owner = { alive: true, die() {}, pause() {}, pausedFor: 0, awake: async () => {} };

/** Whose turn it is on a connection. */
interface Turn {
  owner: Owner;
  /** undefined: nothing fails. */
  surroundings: Surroundings | undefined;
  leave: () => void;
  inTransaction: boolean;
  /** Groups follow one another. */
  last: Promise<unknown>;
}

/** What the driver calls a client. */
class Connection {
  readonly #session: Session;
  readonly #schema: string;
  #turn!: Turn;
  #lost = false;

  constructor(session: Session, schema: string) {
    this.#session = session;
    this.#schema = schema;
  }

  get isLost(): boolean {
    return this.#lost;
  }

  begin(owner: Owner, surroundings: Surroundings | undefined, leave: () => void): void {
    this.#turn = { owner, surroundings, leave, inTransaction: false, last: Promise.resolve() };
  }

  query(asked: Group | string): Promise<{ rows: [] }> | undefined {
    const turn = this.#turn;
    if (asked instanceof Group) {
      turn.last = turn.last.then(() => this.#serve(turn, asked));
      return undefined;
    }
    return turn.last.then(() => {
      if (!turn.owner.alive) return never();
      if (this.#lost) throw lost();
      this.#session.run(asked);
      return { rows: [] };
    });
  }

  release(): void {
    if (!this.#lost) this.#turn.leave();
  }

  async end(): Promise<void> {}

  async #serve(turn: Turn, group: Group): Promise<void> {
    const sent = this.#session.take(this.#schema, group);
    const send = (statements: Sent[], hearer?: Group) => this.#session.send(this.#schema, statements, hearer);
    if (this.#lost) return group.handleError(lost());
    if (!turn.surroundings) return send(sent, group);
    const { clock, random, faults } = turn.surroundings;
    await clock.sleep(faults.strikes('slow') ? random.integer(1, SLOW_MS_MAX) : random.integer(0, 3));
    if (turn.inTransaction && turn.owner.pausedFor > IDLE_MS_MAX) {
      await clock.sleep(IDLE_MS_MAX);
      if (turn.owner.alive) this.#end(turn);
    }
    await turn.owner.awake();
    if (!turn.owner.alive) return never();
    if (this.#lost) return group.handleError(lost());
    for (const [i, { name }] of sent.entries()) {
      if (name === 'begin') turn.inTransaction = true;
      if (name === 'commit') return this.#commit(turn, sent, group);
      if (faults.strikes('cut')) {
        send(sent.slice(0, i), group);
        return this.#lose(turn, group);
      }
      if (turn.inTransaction && faults.strikes('deadlock')) {
        send(sent.slice(0, i), group);
        return group.handleError(deadlock());
      }
    }
    send(sent, group);
  }

  /** A group that ends in a commit. */
  async #commit(turn: Turn, sent: Sent[], group: Group): Promise<void> {
    const { faults, random } = turn.surroundings!;
    const send = (statements: Sent[], hearer?: Group) => this.#session.send(this.#schema, statements, hearer);
    const die = () => {
      turn.owner.die();
      return never();
    };
    if (faults.strikes('crashBeforeCommit')) return die();
    if (faults.strikes('crashAfterCommit')) {
      send(sent);
      return die();
    }
    if (faults.strikes('unanswered')) {
      // Answers that came before the connection broke were heard.
      const heard = random.integer(0, sent.length - 1);
      send(sent.slice(0, heard), group);
      send(sent.slice(heard));
      return this.#lose(turn, group);
    }
    send(sent, group);
  }

  #lose(turn: Turn, group: Group): void {
    this.#end(turn);
    group.handleError(lost());
  }

  /** The connection is lost, and the server ends what is left of its transaction; others go on. */
  #end(turn: Turn): void {
    this.#lost = true;
    this.#session.run('rollback');
    turn.leave();
  }
}

function lost(): Error {
  return Object.assign(new Error('the connection is lost'), { code: 'ECONNRESET' });
}

function deadlock(): Error {
  return Object.assign(new DatabaseError('deadlock detected', 0, 'error'), { code: '40P01' });
}

function never(): Promise<never> {
  return new Promise(() => {});
}
