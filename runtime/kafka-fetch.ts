/** How brokers are asked: never for ever, and for records by the offset that they begin at. */
import type { Consumer } from '@platformatic/kafka';
import { isKafkaError } from './kafka-errors.ts';
import { LogUnavailable } from './log.ts';

/** Kafka's error code for a partition that holds no such offset. */
export const OFFSET_OUT_OF_RANGE = 1;

/** Whatever becomes of a request in the client: nobody here waits for ever. Longer than three tries take at brokers that keep silent; others answer, or refuse, sooner. */
const ANSWER_MS_MAX = 20_000;

export function inTime<T>(answer: Promise<T>): Promise<T> {
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new LogUnavailable('Kafka does not answer')), ANSWER_MS_MAX);
  return Promise.race([answer, late.promise]).finally(() => clearTimeout(timer));
}

/**
 * One fetch. After an answer with an error the broker's session for this client is a step ahead of the client's, which
 * the client learns by its next request failing: that one is repeated.
 */
export async function fetchFrom(
  consumer: Consumer,
  options: Parameters<Consumer['fetch']>[0],
): Promise<FetchResponse> {
  return inTime(consumer.fetch(options)).catch((error) => {
    if (SESSION_LOST.some((id) => isKafkaError(error, id))) return inTime(consumer.fetch(options));
    throw error;
  });
}

export type FetchResponse = Awaited<ReturnType<Consumer['fetch']>>;

const SESSION_LOST = [
  'INVALID_FETCH_SESSION_EPOCH',
  'FETCH_SESSION_ID_NOT_FOUND',
  'FETCH_SESSION_TOPIC_ID_ERROR',
];

export function partitionToFetch(partition: number, offset: number, bytes: number) {
  return {
    partition,
    fetchOffset: BigInt(offset),
    partitionMaxBytes: bytes,
    currentLeaderEpoch: -1,
    lastFetchedEpoch: -1,
  };
}
