/** Peers that are gone without a word: their machine, or the network on the way. */
import type { Socket } from 'node:net';
import type pg from 'pg';

/** Twice as long as a statement waits for a lock. The kernel would wait for an answer for a quarter of an hour. */
export const SILENT_MS_MAX = 20_000;

/** The connection counts as lost when PostgreSQL owes an answer on it and has said nothing for `ms`. */
export function endWhenSilent(client: pg.ClientBase, ms: number): void {
  const inside = client as unknown as { connection: { stream: Socket }; readyForQuery: boolean };
  const { stream } = inside.connection;
  stream.setTimeout(ms);
  stream.on('timeout', () => {
    if (!inside.readyForQuery)
      stream.destroy(new Error(`PostgreSQL has been silent for ${(ms / 1000).toFixed(1)} s`));
  });
}

/**
 * Settings of a session by which PostgreSQL notices after 11 s that its client's machine is gone, instead of two hours, and lets
 * go of the locks by which others see that client.
 */
export const NOTICE_VANISHED = {
  tcp_keepalives_idle: 5,
  tcp_keepalives_interval: 2,
  tcp_keepalives_count: 3,
};
