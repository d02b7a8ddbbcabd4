import type { Logger } from 'pino';
import type { Bus } from './announcements.ts';
import { Chain } from './chain.ts';
import { SILENT_MS_MAX } from './silence.ts';
import { connect } from './sql.ts';

/** Who waits longer for one service's rows should not hold up the others. */
const LOCK_MS_MAX = 250;

/** The chains of one process: one for each database, whose services share their transactions. */
export class Chains {
  readonly #byUrl = new Map<string, Chain>();
  readonly #bus: Bus;
  readonly #logger: Logger;

  constructor(bus: Bus, logger: Logger) {
    this.#bus = bus;
    this.#logger = logger;
  }

  on(url: string): Chain {
    const known = this.#byUrl.get(url);
    if (known) return known;
    const sql = connect(url, {
      max: 1,
      name: 'chain',
      // Every statement of a share says in which schema it looks.
      schema: 'pg_catalog',
      lasting: true,
      writes: true,
      lock_ms_max: LOCK_MS_MAX,
      silent_ms_max: SILENT_MS_MAX,
    });
    const chain = new Chain({
      sql,
      isShared: (service) => this.#bus.isShared(service),
      heedOthers: (service) => this.#bus.heedOthers(service),
      onFailure: (error) =>
        this.#logger.warn({ err: error }, 'a shared transaction failed, each service goes on by itself'),
    });
    this.#byUrl.set(url, chain);
    return chain;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#byUrl.values()].map((chain) => chain.close()));
  }
}
