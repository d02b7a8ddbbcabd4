/**
 * An event as a Kafka record and back: a CloudEvent in binary mode (CloudEvents 1.0, Kafka protocol binding), keyed by its
 * user, with its position in a header of its own.
 */

import type { MessageToProduce, RecordsBatch } from '@platformatic/kafka';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { LogEvent } from './log.ts';

export type Message = MessageToProduce<string | undefined, string | undefined, string, string>;

/** A record as it stands in its topic's partition. */
export interface TopicRecord {
  offset: number;
  /** Up to here everything is, or once was, in the topic: an event's own position. 0: the record tells nothing of it. */
  position: number;
  /**
   * How far the log reaches as far as this record tells: the event's own position, or more where the relay had to begin
   * again and says what was there before.
   */
  end: number;
  /** undefined: a record that only tells the end, or that is not ours. */
  event: LogEvent | undefined;
}

const POSITION = 'position';
const END = 'end';

/** `end`: the log's end, where that is more than this record shows by itself. */
export function toMessage(topic: string, service: ServiceName, event: LogEvent, end?: number): Message {
  const { type, user_id, data, partition, position, trace, created_at } = event;
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    ce_specversion: '1.0',
    ce_id: `${partition}-${position}`,
    ce_source: `/${service}`,
    ce_type: type,
    ce_time: created_at.toISOString(),
    ce_subject: String(user_id),
    [POSITION]: String(position),
  };
  if (trace !== null) headers.traceparent = trace;
  if (end !== undefined) headers[END] = String(end);
  return { topic, partition, key: String(user_id), value: JSON.stringify(data), headers };
}

/** For a partition that holds no event: where the log ends, and up to which position it was relayed before. */
export function endMessage(topic: string, partition: number, end: number, position: number): Message {
  const headers = { [END]: String(end), [POSITION]: String(position) };
  return { topic, partition, key: undefined, value: undefined, headers };
}

type ReadRecord = RecordsBatch['records'][number];

export function toRecords(batches: RecordsBatch[] | null | undefined, partition: number): TopicRecord[] {
  return (batches ?? []).flatMap(({ firstOffset, records }) =>
    records.map((record) => {
      const position = numberOf(headerOf(record, BYTES.position));
      const event = eventOf(record, position, partition);
      return {
        offset: Number(firstOffset) + record.offsetDelta,
        position: position ?? 0,
        end: Math.max(event?.position ?? 0, numberOf(headerOf(record, BYTES.end)) ?? 0),
        event,
      };
    }),
  );
}

/** What somebody else wrote into the topic is passed over. */
function eventOf(record: ReadRecord, position: number | undefined, partition: number): LogEvent | undefined {
  const user_id = numberOf(headerOf(record, BYTES.ce_subject));
  const created_at = new Date(headerOf(record, BYTES.ce_time) ?? '');
  const type = headerOf(record, BYTES.ce_type);
  const { value } = record;
  if (!position || user_id === undefined || !type || !value || Number.isNaN(created_at.getTime()))
    return undefined;
  let data: object;
  try {
    data = JSON.parse(value.toString());
  } catch {
    return undefined;
  }
  const trace = headerOf(record, BYTES.traceparent) ?? null;
  return { partition, position, type, user_id, data, trace, created_at };
}

/**
 * The names of headers are compared as bytes, and only what is needed becomes text: with a map of all headers reading a record
 * took 8 µs, now 4.
 */
const BYTES = {
  position: Buffer.from(POSITION),
  end: Buffer.from(END),
  ce_subject: Buffer.from('ce_subject'),
  ce_time: Buffer.from('ce_time'),
  ce_type: Buffer.from('ce_type'),
  traceparent: Buffer.from('traceparent'),
};

/** The last one of this name. */
function headerOf({ headers }: ReadRecord, name: Buffer): string | undefined {
  const found = headers.findLast(([key]) => key?.equals(name));
  return found?.[1]?.toString();
}

function numberOf(text: string | undefined): number | undefined {
  const number = /^\d{1,16}$/.test(text ?? '') ? Number(text) : undefined;
  return Number.isSafeInteger(number) ? number : undefined;
}
