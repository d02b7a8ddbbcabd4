/** One simulated installation: its processes, their network, its callers, and what befalls them. */
import { createHash, type Hash } from 'node:crypto';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import type { Announcement } from '@stream-processing/runtime/announcements.ts';
import * as known from '../../services/definitions.ts';
import { audit, lines, looksOf } from '../audit/audit.ts';
import { type Looks, offenceText } from '../audit/invariant.ts';
import { compare } from '../compare.ts';
import { Random } from '../random.ts';
import { ClientRecord } from '../record.ts';
import { Caller } from './callers.ts';
import { Clock } from './clock.ts';
import { Database } from './database.ts';
import { Faults } from './faults.ts';
import { type AnyDefinition, SimulatedProcess } from './process.ts';
import type { Reply, Request } from './routes.ts';

const DEFINITIONS: Record<ServiceName, AnyDefinition> = known.DEFINITIONS;
/** In virtual time; several times what any seed needs. */
const LOAD_MS_MAX = 600_000;
const REST_MS_MAX = 120_000;
const TROUBLE_MS = 200;
const RESTART_MS = 500;
const PAUSE_MS_MAX = 5000;
/** The share of seeds in which old events go. */
const REMOVING = 0.3;

/** How much is asked for. */
export interface Size {
  callers: number;
  /** Of each caller. */
  operations: number;
}

export const FULL: Size = { callers: 3, operations: 6 };

export interface Outcome {
  violations: string[];
  /** What happened, line by line. */
  trace: string[];
  hash: string;
  counts: Record<string, number>;
}

/** The same in every installation. */
const PARTITIONS = 3;
/** They ask nearly every statement that there is. */
const WARM_UP = [1, 2, 3];

/** A database for `play`, on which each seed finds the same statements prepared, whichever were played before. */
export async function createDatabase(): Promise<Database> {
  const database = await Database.create(PARTITIONS, (service) =>
    SERVICES.filter((other) => DEFINITIONS[other].follows.includes(service)),
  );
  for (const seed of WARM_UP) await play(database, seed);
  database.keepPrepared();
  return database;
}

/** Plays one seed from the first day to rest. */
export async function play(database: Database, seed: number, size: Size = FULL): Promise<Outcome> {
  const world = new World(database, seed, size);
  const uninstall = world.clock.install();
  try {
    database.reset(world);
    return await world.play();
  } finally {
    uninstall();
  }
}

export class World {
  readonly database: Database;
  readonly random: Random;
  readonly clock: Clock;
  readonly faults: Faults;
  readonly size: Size;
  readonly partitions = PARTITIONS;
  readonly currency = 'RUB';
  readonly record = new ClientRecord();
  /** Do old events go? In a part of the seeds, since it costs them half as much time again. */
  readonly removesEvents: boolean;
  readonly #hash: Hash = createHash('sha256');
  readonly #trace: string[] = [];
  readonly #counts: Record<string, number> = {};
  readonly #violations: string[] = [];
  readonly #processes: (SimulatedProcess | undefined)[] = [];
  readonly #layout: AnyDefinition[][];
  #leasesChanged = false;
  #quiet = false;

  constructor(database: Database, seed: number, size: Size) {
    this.database = database;
    this.size = size;
    this.random = new Random(seed);
    this.clock = new Clock(this.random);
    this.faults = new Faults(this.random, (fault) => this.trace(`fault ${fault}`));
    this.removesEvents = this.random.next() < REMOVING;
    const all = SERVICES.map((service) => DEFINITIONS[service]);
    // Each service in two processes, or all in one process, alone or with a second one of its kind.
    this.#layout = this.random.pick([[...all, ...all].map((one) => [one]), [all], [all, all]]);
  }

  async play(): Promise<Outcome> {
    for (const [i, definitions] of this.#layout.entries()) void this.#keepRunning(i, definitions);
    void this.#trouble();
    const callers = Array.from({ length: this.size.callers }, (_, i) => new Caller(this, i + 1));
    const ended = callers.map((caller) => caller.run());
    let done = false;
    void Promise.all(ended)
      .catch((error: Error) => this.violation(error.message))
      .then(() => {
        done = true;
      });
    if (!(await this.clock.runUntil(() => done, LOAD_MS_MAX)))
      this.violation('the callers are not answered in time');
    this.faults.stop();
    this.#quiet = true;
    const looking = (await this.#comesToRest()) || this.database.isIdle;
    if (!looking) this.violation('a transaction never ends');
    else
      await this.#look(async (looks) => {
        for (const what of await compare(looks, this.record)) this.violation(what);
        for (const what of lines(await audit(looks, { atRest: true }))) this.violation(what);
        const steps = await looks['billing-service']`select * from watch.cursor_steps`;
        for (const step of steps) this.violation(`a cursor did not move forward: ${offenceText(step)}`);
      });
    return {
      violations: this.#violations,
      trace: this.#trace,
      hash: this.#hash.digest('hex').slice(0, 16),
      counts: { ...this.faults.counts, ...this.#counts },
    };
  }

  trace(what: string): void {
    const line = `${this.clock.now.toFixed(1)} ${what}`;
    this.#trace.push(line);
    this.#hash.update(`${line}\n`);
  }

  count(what: string): void {
    this.#counts[what] = (this.#counts[what] ?? 0) + 1;
  }

  violation(what: string): void {
    this.trace(`VIOLATION ${what}`);
    this.#violations.push(what);
  }

  /** Calls some instance of a service. Rejects with a Problem, or with NoAnswer. */
  async call(service: ServiceName, method: 'GET' | 'POST', path: string, request: Request): Promise<Reply> {
    const instances = this.#alive.filter((process) => process.services.has(service));
    await this.clock.sleep(this.random.integer(0, 2));
    if (instances.length === 0) throw new NoAnswer('nobody is there');
    const process = this.random.pick(instances);
    await process.awake();
    const answer = process.services.get(service)!.routes.call(method, path, request);
    answer.catch(() => {});
    const reply = await Promise.race([answer, process.death.then(() => undefined)]);
    if (!reply) throw new NoAnswer('the process died');
    if (this.faults.strikes('lostReply')) throw new NoAnswer('the reply is lost');
    return reply;
  }

  /** Does another process work on the same database? */
  hasAnother(process: SimulatedProcess): boolean {
    return this.#alive.some((other) => other !== process);
  }

  announce(from: SimulatedProcess, service: ServiceName, news: Announcement[]): void {
    for (const process of this.#alive) {
      if (process === from || this.faults.strikes('drop')) continue;
      const ms = this.faults.strikes('delay') ? this.random.integer(1, 1000) : 1;
      this.clock.after(ms, () => void process.hear(service, news));
    }
  }

  /**
   * The processes of a service share its partitions, in turn. One that stands still has lost its leases, without knowing:
   * it goes on until a cursor tells otherwise.
   */
  owns(process: SimulatedProcess, service: ServiceName, partition: number): boolean {
    const instances = this.#alive.filter((other) => other.pausedFor === 0 && other.services.has(service));
    return instances[partition % instances.length] === process;
  }

  /** Somebody came, went, stood still or woke up; the next look at the leases will tell. */
  leasesChange(): void {
    this.#leasesChanged = true;
  }

  buried(process: SimulatedProcess): void {
    this.trace(`${process.name} died`);
    this.leasesChange();
    this.database.buried(process);
  }

  get #alive(): SimulatedProcess[] {
    return this.#processes.flatMap((process) => (process?.alive ? process : []));
  }

  /** One process after the other in one place. */
  async #keepRunning(place: number, definitions: AnyDefinition[]): Promise<void> {
    for (let life = 1; ; life += 1) {
      const name = `process ${place + 1}, life ${life}`;
      const starting = SimulatedProcess.start(this, name, definitions, (process) => {
        this.#processes[place] = process;
      });
      const process = this.#processes[place]!;
      // Whoever cannot reach the database at its start ends, and is started again.
      void starting.then(
        () => this.leasesChange(),
        () => process.die(),
      );
      await process.death;
      await this.clock.sleep(this.random.integer(1, RESTART_MS));
    }
  }

  /** Every partition to its owner. */
  #assign(): void {
    if (!this.#leasesChanged) return;
    this.#leasesChanged = false;
    for (const process of this.#alive) {
      for (const [service, { work }] of process.services) {
        for (let partition = 0; partition < this.partitions; partition += 1) {
          if (this.owns(process, service, partition)) work(partition);
        }
      }
    }
  }

  async #trouble(): Promise<void> {
    for (;;) {
      await this.clock.sleep(this.random.integer(1, TROUBLE_MS));
      const alive = this.#alive;
      this.#assign();
      if (this.#quiet || alive.length === 0) continue;
      const victim = this.random.pick(alive);
      if (this.faults.strikes('crash')) victim.die();
      else if (this.faults.strikes('pause')) victim.pause(this.random.integer(100, PAUSE_MS_MAX));
      else if (this.faults.strikes('clockJump')) this.clock.jump(this.random.integer(-3_600_000, 3_600_000));
      else if (this.faults.strikes('secondOwner')) {
        const running = this.random.pick([...victim.services.values()]);
        running?.work(this.random.integer(0, this.partitions - 1));
      }
    }
  }

  #look<T>(work: (looks: Looks) => Promise<T>): Promise<T> {
    return this.database.look((tx) => work(looksOf(() => tx)));
  }

  /** Everything must come to rest by itself. */
  async #comesToRest(): Promise<boolean> {
    const deadline = this.clock.now + REST_MS_MAX;
    for (;;) {
      const next = this.clock.now + 2000;
      const idle = await this.clock.runUntil(
        () => this.clock.now >= next && this.database.isIdle,
        REST_MS_MAX,
      );
      if (!idle) break;
      const left = await this.#look((looks) => audit(looks, { atRest: true, only: 'atRest' }));
      if (left.length === 0) return true;
      if (this.clock.now > deadline) break;
    }
    this.violation('it does not come to rest');
    return false;
  }
}

export class NoAnswer extends Error {}
