import type { Random } from '../random.ts';

/** What can go wrong, and how often, per occasion. The words are those of the other proofs. */
export const RATES = {
  /** An event is delivered once more, from further back. */
  duplicate: 0.3,
  /** A delivery, or an announcement, comes later. */
  delay: 0.3,
  /** Events of one delivery arrive in another order. */
  reorder: 0.05,
  /** A delivery, or an announcement, does not come; the next look finds it. */
  drop: 0.1,
  /** The next event is left out of a delivery; those behind it come. */
  gap: 0.05,
  /** A statement waits long. */
  slow: 0.02,
  /** The connection is lost in the midst of a transaction, which is rolled back. */
  cut: 0.01,
  /** A commit is carried out, and its answer lost. */
  unanswered: 0.02,
  /** PostgreSQL ends a transaction for a deadlock. */
  deadlock: 0.01,
  /** A process dies with all that it knows, at any statement. */
  crash: 0.05,
  /** A process dies right before a commit. */
  crashBeforeCommit: 0.01,
  /** A process dies right after a commit, before anybody hears of it. */
  crashAfterCommit: 0.01,
  /** A second process works on a partition as if it were its own. */
  secondOwner: 0.05,
  /** A process stands still for a while, at any moment; others take over its partitions, and it goes on. */
  pause: 0.02,
  /** A process stands still right before a transaction, and writes when others have taken over its partitions. */
  late: 0.02,
  /** A process does not hear of another one on its database, and takes it for its own for a while. */
  unheard: 0.02,
  /** A caller does not get the reply. */
  lostReply: 0.1,
  /** A request arrives twice, at different instances. */
  doubleRequest: 0.1,
  /** The calendar jumps. */
  clockJump: 0.02,
} as const;

export type Fault = keyof typeof RATES;

/** Draws faults, and counts them; after `stop` there are none. */
export class Faults {
  readonly counts = Object.fromEntries(Object.keys(RATES).map((fault) => [fault, 0])) as Record<
    Fault,
    number
  >;
  readonly #random: Random;
  readonly #trace: (what: string) => void;
  #stopped = false;

  constructor(random: Random, trace: (what: string) => void) {
    this.#random = random;
    this.#trace = trace;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Does it happen now? */
  strikes(fault: Fault): boolean {
    if (this.#stopped || !this.#random.chance(RATES[fault])) return false;
    this.counts[fault] += 1;
    this.#trace(fault);
    return true;
  }
}
