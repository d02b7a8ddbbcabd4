/** A simulated process: some services, wired as service.ts wires them, on a simulated database and network. */
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { type Announcement, Announcer, Bus } from '@stream-processing/runtime/announcements.ts';
import { Chain } from '@stream-processing/runtime/chain.ts';
import { createCursors } from '@stream-processing/runtime/cursors.ts';
import type { Room, ServiceDefinition } from '@stream-processing/runtime/definition.ts';
import { type LogReader, partitionOf } from '@stream-processing/runtime/log.ts';
import { postgresLog } from '@stream-processing/runtime/log-postgres.ts';
import { Pipeline } from '@stream-processing/runtime/pipeline.ts';
import { Processor } from '@stream-processing/runtime/processor.ts';
import { Progress } from '@stream-processing/runtime/progress.ts';
import { Retention } from '@stream-processing/runtime/retention.ts';
import { type Sql, schemaOf } from '@stream-processing/runtime/sql.ts';
import type { Owner } from './database.ts';
import { deliver } from './delivery.ts';
import { Routes } from './routes.ts';
import type { World } from './world.ts';

// biome-ignore lint/suspicious/noExplicitAny: services of different kinds have no state or commands in common
export type AnyDefinition = ServiceDefinition<any, any, any>;

const logger = {
  isLevelEnabled: () => false,
  info() {},
  warn() {},
  error() {},
  debug() {},
} as unknown as Room<never, never, never>['logger'];
/** As leases are looked at. */
const LEASE_MS = 1000;
/** Rarer than in earnest: most of a seed's time would go into looks that find nothing. */
const POLL_MS = 20_000;

/** Old events go, and so old are they then: younger than a caller's wait. */
const RETENTION_TICK_MS = 2000;
const RETENTION_HOURS = 1 / 3600;

/** So long it takes until a channel is heard. */
const HEARD_MS = 5;

/** So long a process does not hear of others. */
const DEAF_MS_MAX = 3000;

/** What other processes hear goes through the world's network, not through PostgreSQL. */
class SimulatedBus extends Bus {
  override isAwaited(): boolean {
    return false;
  }

  override hear(...[, , , onHeard]: Parameters<Bus['hear']>): ReturnType<Bus['hear']> {
    let isHeard = false;
    setTimeout(() => {
      isHeard = true;
      onHeard();
    }, HEARD_MS);
    return { isKnown: () => isHeard, release() {} };
  }
}

interface Running {
  routes: Routes;
  /** Begins to apply events of this partition. */
  work(partition: number): void;
}

export class SimulatedProcess implements Owner {
  readonly name: string;
  readonly services = new Map<ServiceName, Running>();
  readonly #world: World;
  readonly #bus = new SimulatedBus();
  readonly #stopping = new AbortController();
  readonly #closers: (() => void)[] = [];
  #alive = true;
  #awakeAt = 0;
  #dead!: () => void;
  /** Resolves when it dies. */
  readonly death = new Promise<void>((resolve) => {
    this.#dead = resolve;
  });

  /** Until then it does not hear of other processes. */
  #deafUntil = 0;

  private constructor(world: World, name: string) {
    this.#world = world;
    this.name = name;
  }

  /** `begun` gets it before it is ready: it can die on the way there. */
  static async start(
    world: World,
    name: string,
    definitions: AnyDefinition[],
    begun: (process: SimulatedProcess) => void,
  ): Promise<void> {
    const started = new SimulatedProcess(world, name);
    begun(started);
    const chain =
      definitions.length > 1
        ? new Chain({
            sql: world.database.sqlFor(started, 'pg_catalog', { writes: true }),
            isShared: () => started.#seesAnother(),
            heedOthers() {},
            onFailure: () => world.count('chained transaction failed'),
          })
        : undefined;
    for (const definition of definitions) await started.#open(definition, chain);
  }

  get alive(): boolean {
    return this.#alive;
  }

  get pausedFor(): number {
    return Math.max(0, this.#awakeAt - this.#world.clock.now);
  }

  async awake(): Promise<void> {
    while (this.pausedFor > 0) await this.#world.clock.sleep(this.pausedFor);
  }

  /** Stands still: nothing that it begins with the database or the network goes on before that. */
  pause(ms: number): void {
    this.#awakeAt = Math.max(this.#awakeAt, this.#world.clock.now + ms);
    this.#world.leasesChange();
    void this.awake().then(() => this.#world.leasesChange());
  }

  /** Does another process work on the same database, as far as this one can tell? */
  #seesAnother(): boolean {
    const { clock, faults, random } = this.#world;
    if (!this.#world.hasAnother(this) || clock.now < this.#deafUntil) return false;
    if (!faults.strikes('unheard')) return true;
    this.#deafUntil = clock.now + random.integer(0, DEAF_MS_MAX);
    return false;
  }

  die(): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#stopping.abort();
    // What it would look at from time to time it does not any more.
    for (const close of this.#closers) close();
    this.#dead();
    this.#world.buried(this);
  }

  /** What another process announces. */
  async hear(service: ServiceName, news: Announcement[]): Promise<void> {
    await this.awake();
    if (this.#alive) this.#bus.emit(service, news, 'elsewhere');
  }

  async #open(definition: AnyDefinition, chain: Chain | undefined): Promise<void> {
    const { database, partitions, currency } = this.#world;
    const { name, follows } = definition;
    const sql = database.sqlFor(this, schemaOf(name));
    await createCursors(sql, follows, partitions);
    const bus = this.#bus;
    bus.on(name, (news, where) => where === 'here' && this.#world.announce(this, name, news));
    const announcer = new Announcer(name, sql, bus);
    const logs = new Map<ServiceName, LogReader>(
      follows.map((source) => {
        const options = {
          sql: database.sqlFor(this, schemaOf(source)),
          service: source,
          follower: name,
          bus,
          pollMs: POLL_MS,
        };
        return [source, deliver(postgresLog(options), this.#world)];
      }),
    );
    const progress = new Progress(name, sql, bus, logs);
    this.#closers.push(() => {
      void progress.close();
      for (const log of logs.values()) void log.close();
    });
    const listeners: ((decisions: unknown[]) => void)[] = [];
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const pipeline = new Pipeline<any, any, any>({
      sql: database.sqlFor(this, schemaOf(name), { writes: true }),
      service: name,
      schema: schemaOf(name),
      partitions,
      chain,
      work: definition.work({ partitions, currency }),
      announce: (committed) => announcer.announce(committed),
      onCommit: ({ decisions }) => listeners.forEach((listen) => void listen(decisions)),
    });
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const processors = new Map<string, Processor<any>>();
    const work = (partition: number) => {
      progress.hold(partition, true);
      for (const [source, log] of logs) {
        const key = `${source} ${partition}`;
        if (processors.has(key)) continue;
        const processor = new Processor({
          source,
          partition,
          log,
          toCommand: definition.inbox,
          submit: (commands, cursor) => pipeline.submitEvents(commands, cursor),
          position: () => progress.position({ source, partition }),
          fresh: () => progress.fresh(partition, { except: source }),
          onState: (state) => state === 'stopped' && this.#world.count('stopped partition'),
          onConflict: () => {
            this.#world.count('conflict');
            processors.delete(key);
            progress.hold(partition, false);
            // Whoever owns the partition looks again with the next lease.
            void this.#world.clock
              .sleep(LEASE_MS)
              .then(() => this.#world.owns(this, name, partition) && work(partition));
          },
          logger,
        });
        processors.set(key, processor);
        void processor.run(this.#stopping.signal);
      }
    };
    chain?.join({
      service: name,
      pipeline,
      follows,
      processor: (source, partition) => processors.get(`${source} ${partition}`),
    });
    if (this.#world.removesEvents) this.#removeEvents(name, sql, logs);
    const routes = new Routes();
    // biome-ignore lint/suspicious/noExplicitAny: as above
    const room: Room<any, any, any> = {
      pipeline,
      sql,
      currency,
      logger,
      metrics: { gauge() {} } as never,
      freshFor: (user_id) => progress.fresh(partitionOf(user_id, partitions)),
      // The logs are read where they are.
      untilVisible: async () => {},
      isBehind: () => false,
      refuseWhile: () => undefined,
      onDecisions: (listener) => void listeners.push(listener),
      watch: (user_id, look) => progress.watch(partitionOf(user_id, partitions), look),
    };
    bus.on(name, (_news, where) => where === 'elsewhere' && pipeline.forget());
    definition.routes(routes.app, room);
    this.services.set(name, { routes, work });
  }

  #removeEvents(name: ServiceName, sql: Sql, logs: Map<ServiceName, LogReader>): void {
    const partitions = Array.from({ length: this.#world.partitions }, (_, partition) => partition);
    const retention = new Retention({
      sql,
      logs,
      relayed: undefined,
      hours: RETENTION_HOURS,
      held: () => partitions.filter((partition) => this.#world.owns(this, name, partition)),
      onRemoved: () => this.#world.count('old events removed'),
      logger,
      tickMs: RETENTION_TICK_MS,
      // The database has no clock of this world.
      now: async () => new Date(),
    });
    this.#closers.push(() => void retention.close());
  }
}
