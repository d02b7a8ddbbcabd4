/** What the Kafka client throws, in the log's own words. */
import { findErrorBy, GenericError } from '@platformatic/kafka';
import { LogMissing, LogUnavailable } from './log.ts';

/** `id`: Kafka's name of the error, like `UNKNOWN_TOPIC_ID`; also where it is one of several, or a cause. */
export function isKafkaError(error: unknown, id: string): boolean {
  return findErrorBy(error as Error, 'apiId', id) !== null;
}

/** What the client said, as one of the log's own errors. */
export function unavailable(error: unknown, topic?: string): Error {
  if (!(error instanceof GenericError || error instanceof AggregateError)) return error as Error;
  const isMissing =
    error.message.startsWith('Unknown topic') ||
    ['UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID'].some((id) => isKafkaError(error, id));
  return isMissing
    ? new LogMissing(`the Kafka topic ${topic ?? ''} does not exist`, { cause: error })
    : new LogUnavailable(reasonOf(error), { cause: error });
}

/** The first error that says something by itself. */
function reasonOf(error: Error): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors.at(-1));
  if (error.cause instanceof Error) return reasonOf(error.cause);
  return error.message;
}
