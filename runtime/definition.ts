/** Between the runtime and a service: what the service brings, and what its routes get. */
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Logger } from 'pino';
import type { App } from './http.ts';
import type { LogEvent } from './log.ts';
import type { Metrics } from './metrics.ts';
import type { Installation } from './migrate.ts';
import type { Pipeline } from './pipeline.ts';
import type { Sql } from './sql.ts';
import type { Decision, Work } from './work.ts';

/** What makes a service this service; the rest is the same for all. */
export interface ServiceDefinition<State, Command, D extends Decision> {
  name: ServiceName;
  description: string;
  /** Folder of numbered SQL files. */
  migrations: URL;
  /** The logs that it applies. */
  follows: readonly ServiceName[];
  work: (installation: Installation) => Work<State, Command, D>;
  /** Another service's event as a command; undefined: it means nothing here. */
  inbox: (event: LogEvent, now: Date) => Command | undefined;
  routes: (app: App, room: Room<State, Command, D>) => void;
}

/** What the routes of a service work with. */
export interface Room<State, Command, D extends Decision> {
  pipeline: Pick<Pipeline<State, Command, D>, 'submit'>;
  /** For reads; writes go through the pipeline. */
  sql: Sql;
  currency: string;
  logger: Logger;
  metrics: Metrics;
  /** Resolves when all that other services said about this user is applied; else rejects with `not_fresh`. */
  freshFor(user_id: number): Promise<void>;
  /**
   * Resolves when the other services can see whatever was read here before about these users; else rejects with `not_fresh`.
   * At once where they read this service's log itself.
   */
  untilVisible(user_ids: number[]): Promise<void>;
  /** Does somebody wait for too long already until others can see what was said of this user or, without one, of any? */
  isBehind(user_id?: number): boolean;
  /** Another reason to refuse a POST with `overloaded`, next to a full queue. */
  refuseWhile(isTooMuch: () => boolean): void;
  /** Decisions of this instance, right after their commit. */
  onDecisions(listener: (decisions: D[]) => void): void;
  /**
   * Until released, `look` is called whenever another instance of this service may have applied something for this user: what it
   * was stands in the database.
   */
  watch(user_id: number, look: () => void): () => void;
}
