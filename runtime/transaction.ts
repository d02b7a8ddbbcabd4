import { Problem } from '@stream-processing/contracts/problems.ts';
import type { LogEvent } from './log.ts';
import type { Publication } from './outbox.ts';
import type { Share } from './share.ts';
import type { Sql, Tx } from './sql.ts';
import { isConnectionLoss } from './sql-errors.ts';
import { fateOf, identify, type TransactionId } from './transaction-fate.ts';

/** A share of whichever service. */
// biome-ignore lint/suspicious/noExplicitAny: shares of different services have no state or commands in common
export type AnyShare = Share<any, any, any>;

/** How shares of different services hang together. */
export interface Links {
  /** Loads beforehand what shares may need that get something to do only later. */
  prefetch(tx: Tx): Promise<unknown>;
  /** Gives what a share publishes to those who are due to apply it, and answers them. */
  handOn(source: AnyShare, published: Publication[], now: Date): Iterable<AnyShare>;
}

/**
 * Commits the shares of one service, or of several, together:
 *
 *   load the state of every key concerned, locked → decide each command in turn, purely, in memory →
 *   move cursors → save by set-based statements → keep replies → append events → commit.
 *
 * Whom `handOn` gives the events of one round loads and decides in the next, all before the first row is written. Answers
 * all shares that took part. Rejects when nothing of it was committed, and with `outcome_unknown` when that cannot be told.
 */
export async function transact(sql: Sql, shares: AnyShare[], links?: Links): Promise<AnyShare[]> {
  const now = new Date();
  let id: TransactionId | undefined;
  let saved: { share: AnyShare; events: Promise<LogEvent[]> }[] = [];
  try {
    await sql.begin(async (tx) => {
      void identify(tx).then(
        (identified) => {
          id = identified;
        },
        () => {},
      );
      // Sent together; and where nothing has to be loaded, together with all that follows.
      await Promise.all([...shares.map((share) => share.load(tx)), links?.prefetch(tx)]);
      const all = new Set(shares);
      let round = new Set(shares);
      while (round.size > 0) {
        const next = new Set<AnyShare>();
        for (const share of round) {
          const published = share.decide();
          for (const receiver of links?.handOn(share, published, now) ?? []) next.add(receiver);
        }
        await Promise.all([...next].map((share) => share.load(tx)));
        for (const share of next) all.add(share);
        round = next;
      }
      // Sent together, and with the commit.
      saved = [...all].map((share) => {
        const events = share.save(tx, now);
        // At once: the next share may throw, and what nobody looks at ends the process when it is given up.
        events.catch(() => {});
        return { share, events };
      });
    });
  } catch (error) {
    // The connection broke while the commit was under way: PostgreSQL itself knows what became of it.
    if (saved.length === 0 || !isConnectionLoss(error)) throw error;
    const fate = id ? await fateOf(sql, id) : 'unknown';
    if (fate === 'aborted') throw error;
    if (fate === 'unknown') throw new Problem('outcome_unknown');
  }
  // Positions are in the answer to the commit. Where that never came, who follows the log looks by itself.
  const events = await Promise.all(saved.map((each) => each.events.catch(() => [])));
  saved.forEach(({ share }, i) => void share.committed(events[i]!));
  for (const { share } of saved) share.announce();
  return saved.map(({ share }) => share);
}
