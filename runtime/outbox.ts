import { type NewEvent, partitionOf } from './log.ts';

/** An event on its way into its partition of the log. */
export interface OutgoingEvent extends NewEvent {
  partition: number;
  /** 1, 2, 3 … within its partition and transaction. */
  ordinal: number;
  /** `traceparent` of the request that caused it. */
  trace: string | null;
}

/** Events of one partition, in order. */
export interface Publication {
  partition: number;
  events: OutgoingEvent[];
}

/** What one transaction publishes. */
export class Outbox {
  readonly #partitions: number;
  readonly #events: OutgoingEvent[] = [];
  readonly #counts = new Map<number, number>();
  readonly #heads = new Map<number, number>();
  #told = 0;

  constructor(partitions: number) {
    this.#partitions = partitions;
  }

  add({ type, user_id, data }: NewEvent, trace: string | null): void {
    const partition = partitionOf(user_id, this.#partitions);
    const ordinal = (this.#counts.get(partition) ?? 0) + 1;
    this.#counts.set(partition, ordinal);
    this.#events.push({ type, user_id, data, trace, partition, ordinal });
  }

  get events(): readonly OutgoingEvent[] {
    return this.#events;
  }

  /** How many events each partition gets. */
  get counts(): ReadonlyMap<number, number> {
    return this.#counts;
  }

  /** Where the log has to end before this transaction, by partition, as far as somebody relies on it. */
  get heads(): ReadonlyMap<number, number> {
    return this.#heads;
  }

  /**
   * May somebody rely on it that the partition ends at `head` before this transaction? No, where somebody relies on
   * another head. When it proves to end elsewhere, the transaction fails.
   */
  assume(partition: number, head: number): boolean {
    const assumed = this.#heads.get(partition);
    if (assumed === undefined) this.#heads.set(partition, head);
    return assumed === undefined || assumed === head;
  }

  /** What was added since the last call. */
  news(): Publication[] {
    const byPartition = new Map<number, OutgoingEvent[]>();
    for (const event of this.#events.slice(this.#told)) {
      const here = byPartition.get(event.partition);
      if (here) here.push(event);
      else byPartition.set(event.partition, [event]);
    }
    this.#told = this.#events.length;
    return [...byPartition].map(([partition, events]) => ({ partition, events }));
  }
}
