/**
 * Which instance of a service works on which partition: PostgreSQL advisory locks on one lasting connection. Leases
 * are for efficiency only; correctness is the compare-and-set of the cursors. Every instance holds a shared
 * `member` lock, so each can count the members and take its share, which is as even as whole partitions go: what is left
 * over goes to the first ones, one each, in the order of their backends' process ids. A dead instance's locks vanish with
 * its connection, which PostgreSQL ends too when an instance stands still or its machine is gone.
 */
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { repeat } from './repeat.ts';
import { SILENT_MS_MAX } from './silence.ts';
import { connect, type Sql, schemaOf } from './sql.ts';

export interface LeaseOptions {
  url: string;
  service: ServiceName;
  partitions: number;
  onAcquired: (partition: number) => void;
  /** Must resolve when work on the partition has ended; then another instance may take it. */
  onReleased: (partition: number) => Promise<void>;
  onError: (error: unknown) => void;
  tickMs?: number;
  /** Whoever does not look at the leases for so long has lost them. */
  idle_ms_max?: number;
}

const TICK_MS = 1000;
/** With a look each second: others take over within 7 s from an instance that stands still. */
const IDLE_MS_MAX = 6000;
/** Three looks. */
const FRESH_MS = 3000;
// First key of the advisory locks; the second is MEMBER or the partition + 1.
const LOCK_CLASS = 0x5350_0000;
const MEMBER = 0;

export class Leases {
  readonly #options: LeaseOptions;
  readonly #lockClass: number;
  readonly #sql: Sql;
  readonly #held = new Set<number>();
  /** Work on these has not ended yet; until then they are not taken again. */
  readonly #ending = new Map<number, Promise<void>>();
  readonly #closing = new AbortController();
  #ticking: Promise<void> = Promise.resolve();
  #member = false;
  #answeredAt = Number.NEGATIVE_INFINITY;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#lockClass = LOCK_CLASS + SERVICES.indexOf(options.service);
    this.#sql = connect(options.url, {
      max: 1,
      name: `${options.service} leases`,
      schema: schemaOf(options.service),
      lasting: true,
      silent_ms_max: SILENT_MS_MAX,
      idle_ms_max: options.idle_ms_max ?? IDLE_MS_MAX,
      onclose: () => void this.#dropAll(),
    });
  }

  /** Resolves after the first round, when a lone instance holds everything. */
  async start(): Promise<void> {
    await this.#tick();
    this.#ticking = repeat(
      this.#options.tickMs ?? TICK_MS,
      this.#closing.signal,
      () => this.#tick(),
      this.#options.onError,
    );
  }

  get held(): number {
    return this.#held.size;
  }

  /** Has PostgreSQL answered just now? */
  get isFresh(): boolean {
    return performance.now() - this.#answeredAt < FRESH_MS;
  }

  /** Another instance was seen at work on this partition. */
  async release(partition: number): Promise<void> {
    if (!this.#held.delete(partition)) return;
    await this.#end(
      partition,
      async () =>
        void (await this.#sql`select pg_advisory_unlock(${this.#lockClass}::int, ${partition + 1}::int)`),
    );
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#ticking;
    const held = [...this.#held];
    this.#held.clear();
    for (const partition of held) void this.#end(partition);
    await Promise.allSettled(this.#ending.values());
    await this.#sql.end();
  }

  #end(partition: number, unlock = async () => {}): Promise<void> {
    const ended = this.#options
      .onReleased(partition)
      .then(unlock)
      .finally(() => this.#ending.delete(partition));
    this.#ending.set(partition, ended);
    return ended;
  }

  async #tick(): Promise<void> {
    const { partitions, onAcquired, onError } = this.#options;
    const { members, rank } = await this.#lookAtMembers();
    const share = Math.floor(partitions / members) + (rank < partitions % members ? 1 : 0);
    // Not awaited: work may take longer to end than this connection may be silent, and all leases would be lost.
    for (const partition of [...this.#held].slice(share)) void this.release(partition).catch(onError);
    for (let partition = 0; partition < partitions && this.#held.size < share; partition += 1) {
      if (this.#closing.signal.aborted) return;
      if (this.#held.has(partition) || this.#ending.has(partition)) continue;
      const [row] = await this.#sql<{ got: boolean }[]>`
        select pg_try_advisory_lock(${this.#lockClass}::int, ${partition + 1}::int) as got`;
      if (!row!.got) continue;
      this.#held.add(partition);
      onAcquired(partition);
    }
  }

  /** How many there are, and how many of them come before this one. */
  async #lookAtMembers(): Promise<{ members: number; rank: number }> {
    if (!this.#member) {
      await this.#sql`select pg_advisory_lock_shared(${this.#lockClass}::int, ${MEMBER}::int)`;
      this.#member = true;
    }
    const [row] = await this.#sql<{ members: number; rank: number }[]>`
      select count(*)::int as members, (count(*) filter (where pid < pg_backend_pid()))::int as rank from pg_locks
      where locktype = 'advisory' and classid = ${this.#lockClass}::int::oid and objid = ${MEMBER}::int::oid
        and database = (select oid from pg_database where datname = current_database())`;
    this.#answeredAt = performance.now();
    return { members: Math.max(1, row!.members), rank: row!.rank };
  }

  /** The connection is gone and the locks with it: everything stops. */
  async #dropAll(): Promise<void> {
    this.#member = false;
    const lost = [...this.#held];
    this.#held.clear();
    await Promise.all(lost.map((partition) => this.#end(partition)));
  }
}
