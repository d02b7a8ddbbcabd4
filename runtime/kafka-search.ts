/**
 * Positions of a log, found in a topic that knows only offsets. Positions grow along the offsets, except where a relay wrote
 * a batch twice: after a crash, or when an instance that was paused wakes up and sends what another sent long ago.
 */
import type { Kafka } from './kafka.ts';
import type { TopicRecord } from './kafka-records.ts';
import { type LogEvent, LogMissing } from './log.ts';

/**
 * How far the log reaches in a partition whose next offset is `next`. The newest record alone would not do: it may be a
 * repetition, of which each paused instance sends one batch, so that the batch before is looked at too.
 */
export async function newestIn(
  kafka: Kafka,
  topic: string,
  partition: number,
  next: number,
): Promise<number> {
  const { before, last } = await lastBatches(kafka, topic, partition, next);
  if (last.length === 0)
    throw new LogMissing(`nothing is relayed into partition ${partition} of ${topic} yet`);
  return endOf(before, last);
}

/**
 * Up to which position the events are there below the offset `next`, and that event, unless it is long gone; 0: none is. Where events
 * are missing between the last two batches (the topic lost records and a relay crashed before it could mend that), only up to there;
 * and where the last one belongs to a filling that was not finished, only up to its own.
 */
export async function relayedIn(
  kafka: Kafka,
  topic: string,
  partition: number,
  next: number,
): Promise<{ position: number; event: LogEvent | undefined }> {
  const { before, last } = await lastBatches(kafka, topic, partition, next);
  // A relay opens an empty topic by a record without an event: at its beginning, events stand only where one that knew the topic
  // as it was before went on in it.
  const isWhole = last[0]?.offset === 0;
  const position = reachedBy(before, last, isWhole);
  const event = [...before, ...last].find((record) => record.event?.position === position)?.event;
  return { position, event };
}

/** `isWhole`: nothing was ever before these. */
function reachedBy(before: TopicRecord[], last: TopicRecord[], isWhole: boolean): number {
  const earlier = positionsOf(before);
  const reached = Math.max(0, ...earlier);
  const later = positionsOf(last);
  if (later.length === 0) return reached;
  const isUnfinished = Math.max(...last.map(({ end }) => end)) > Math.max(...later);
  if (isUnfinished) return Math.max(...later);
  const hasHole = (earlier.length > 0 || isWhole) && Math.min(...later) > reached + 1;
  return hasHole ? reached : Math.max(reached, ...later);
}

async function lastBatches(kafka: Kafka, topic: string, partition: number, next: number) {
  const last = next > 0 ? await kafka.recordsAt(topic, partition, next - 1) : [];
  const base = last[0]?.offset ?? 0;
  const before = base > 0 ? await kafka.recordsAt(topic, partition, base - 1) : [];
  return { before, last };
}

function endOf(before: TopicRecord[], last: TopicRecord[]): number {
  return Math.max(...[...before, ...last].map(({ end }) => end));
}

function positionsOf(records: TopicRecord[]): number[] {
  return records.flatMap(({ position }) => position || []);
}

/** The offset from which on the events after position `after` follow; at a repetition, perhaps too late a one. */
export async function offsetAfter(
  kafka: Kafka,
  topic: string,
  partition: number,
  after: number,
): Promise<number> {
  const { first, next } = await kafka.offsetsOf(topic, partition);
  const look = (offset: number) => kafka.recordsAt(topic, partition, offset);
  const indexOf = (records: TopicRecord[]) =>
    records.find(({ event }) => event?.position === after + 1)?.offset;
  // Where nothing was ever repeated or removed: the relay's opening record, then position after position.
  const guess = after + 1;
  if (guess >= first && guess < next) {
    const found = indexOf(await look(guess));
    if (found !== undefined) return found;
  }
  // Mostly there is nothing left to read. Both of the last batches: the very last may be a repetition.
  const { before, last } = await lastBatches(kafka, topic, partition, next);
  if (last.length > 0 && endOf(before, last) === after) return next;
  let low = first;
  let high = next;
  while (low < high) {
    const records = await look(Math.floor((low + high) / 2));
    // Removed meanwhile.
    if (records.length === 0) return low;
    const found = indexOf(records);
    if (found !== undefined) return found;
    if (positionsOf(records).every((position) => position <= after)) low = records.at(-1)!.offset + 1;
    else high = Math.max(low, records[0]!.offset);
  }
  return low;
}
