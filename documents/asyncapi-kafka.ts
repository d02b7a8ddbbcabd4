/** What the AsyncAPI document says of Kafka: topics as `createTopic` makes them, records as `toMessage` writes them. */
import { EVENTS } from '@stream-processing/contracts/events.ts';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { readConfig } from '@stream-processing/runtime/config.ts';
import {
  SASL_MECHANISMS,
  type SaslMechanism,
  topicConfig,
} from '@stream-processing/runtime/kafka-options.ts';
import {
  endMessage,
  type Message as KafkaRecord,
  toMessage,
} from '@stream-processing/runtime/kafka-records.ts';
import { partitionOf } from '@stream-processing/runtime/log.ts';
import type { TSchema } from 'typebox';
import type { Channel, Message, Publisher } from './asyncapi.ts';
import { EXAMPLES } from './examples.ts';

/** As the settings are where nobody sets them. */
const { kafka, installation } = readConfig({ EVENT_LOG: 'kafka', KAFKA_BROKERS: 'localhost:9092' });
const { brokers, topicPrefix, replicationFactor } = kafka!;
const { 'cleanup.policy': cleanup, 'retention.ms': retention, ...rest } = topicConfig(kafka!);

const BINDING_VERSION = '0.5.0';
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const SCHEMES: Record<SaslMechanism, string> = {
  PLAIN: 'plain',
  'SCRAM-SHA-256': 'scramSha256',
  'SCRAM-SHA-512': 'scramSha512',
};

export const KAFKA_SERVERS = {
  kafka: {
    host: brokers[0]!,
    protocol: 'kafka',
    description: 'One of `KAFKA_BROKERS`, where `EVENT_LOG=kafka`; the others are found through it.',
  },
  kafkaSecure: {
    host: brokers[0]!,
    protocol: 'kafka-secure',
    description: 'The same with `KAFKA_TLS=true`; brokers may ask for a user, a client certificate, or both.',
    security: ['certificate', ...SASL_MECHANISMS.map((mechanism) => SCHEMES[mechanism])].map((name) => ({
      $ref: `#/components/securitySchemes/${name}`,
    })),
  },
};

export const SECURITY_SCHEMES = {
  certificate: {
    type: 'X509',
    description: 'A client certificate: `KAFKA_TLS_CERT_FILE` and `KAFKA_TLS_KEY_FILE`.',
  },
  ...Object.fromEntries(
    SASL_MECHANISMS.map((mechanism) => [
      SCHEMES[mechanism],
      { type: SCHEMES[mechanism], description: `\`KAFKA_SASL_MECHANISM=${mechanism}\`.` },
    ]),
  ),
};

export function topicChannel(service: Publisher): Channel {
  return {
    address: `{topicPrefix}${service}`,
    title: `Topic of ${service}`,
    description:
      'Where `EVENT_LOG=kafka`: a copy of the log, partition by partition and in order. A record may come again, never out of its order ' +
      'but as a repetition: drop positions at or below the last one that was applied, and stop at a gap. A record without a value tells ' +
      'where the log ends: pass over it. Offsets mean something in this one topic alone, positions in every copy of the log.',
    parameters: {
      topicPrefix: {
        default: topicPrefix,
        description: '`KAFKA_TOPIC_PREFIX`, another for each installation.',
      },
    },
    servers: Object.keys(KAFKA_SERVERS).map((name) => ({ $ref: `#/servers/${name}` })),
    messages: Object.fromEntries(
      [...Object.keys(EVENTS[service]).map((name) => [name, `${name}Record`]), ['LogEnd', 'LogEnd']].map(
        ([name, message]) => [name, { $ref: `#/components/messages/${message}` }],
      ),
    ),
    bindings: {
      kafka: {
        partitions: installation.partitions,
        replicas: replicationFactor,
        topicConfiguration: { 'cleanup.policy': [cleanup], 'retention.ms': Number(retention), ...rest },
        bindingVersion: BINDING_VERSION,
      },
    },
  };
}

export function recordMessages(service: Publisher): [string, Message][] {
  return Object.entries<TSchema & { description?: string }>(EVENTS[service]).map(
    ([name, { description }]) => [
      `${name}Record`,
      {
        name,
        summary: description!,
        correlationId: { location: '$message.header#/traceparent' },
        headers: recordHeaders(service, name),
        payload: { $ref: `#/components/schemas/${name}` },
        bindings: {
          kafka: {
            key: { type: 'string', pattern: WHOLE, description: USER },
            bindingVersion: BINDING_VERSION,
          },
        },
        examples: [exampleOf(service, name as keyof typeof EXAMPLES)],
      },
    ],
  );
}

/** In the topics of all services. */
export function endOfLog(): Message {
  const { headers } = endMessage('', 0, 20, 0);
  return {
    name: 'LogEnd',
    summary:
      'No event: tells where the log ends, in a partition that holds no event (any more). It has neither key nor value.',
    headers: {
      type: 'object',
      required: ['end', 'position'],
      properties: {
        end: { type: 'string', pattern: WHOLE, description: END },
        position: {
          type: 'string',
          pattern: WHOLE,
          description: 'Up to here everything is, or once was, in the topic. 0: nothing.',
        },
      },
    },
    payload: { type: 'null' },
    examples: [{ headers: headers!, payload: null }],
  };
}

const WHOLE = String.raw`^\d{1,16}$`;
const USER =
  'Id of the user of whom the event speaks. It is the partition that counts, `user_id mod PARTITIONS`, not a hash of the key.';
const END =
  'Position of the newest event of this partition’s log, where that is more than the record shows by itself.';

/** Others may add headers, which say nothing to us: tracing agents and programs that copy topics do. */
function recordHeaders(service: ServiceName, type: string): object {
  const text = (description: string, more: object = {}) => ({ type: 'string', ...more, description });
  return {
    type: 'object',
    required: [
      'content-type',
      'ce_specversion',
      'ce_id',
      'ce_source',
      'ce_type',
      'ce_time',
      'ce_subject',
      'position',
    ],
    properties: {
      'content-type': text('Of the value.', { const: 'application/json' }),
      ce_specversion: text('CloudEvents 1.0 in binary mode.', { const: '1.0' }),
      ce_id: text('`<partition>-<position>`: with `ce_source` unique, and the same in a repetition.', {
        pattern: String.raw`^\d{1,4}-\d{1,16}$`,
      }),
      ce_source: text('The service that published it.', { const: `/${service}` }),
      ce_type: text('Name of the event.', { const: type }),
      ce_time: text('Begin of the transaction that wrote the event.', { format: 'date-time' }),
      ce_subject: text('Id of the user of whom the event speaks.', { pattern: WHOLE }),
      position: text('1, 2, 3 … within the partition, without gaps.', { pattern: WHOLE }),
      traceparent: text('W3C Trace Context of the request that caused the event, where there was one.', {
        pattern: '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$',
      }),
      end: text(`${END} So it is where a topic is filled again.`, { pattern: WHOLE }),
    },
  };
}

/** As the relay would write it. */
function exampleOf(service: Publisher, type: keyof typeof EXAMPLES): { headers: object; payload: unknown } {
  const data = EXAMPLES[type];
  const [, created_at] = Object.entries(data).find(([name]) => name.endsWith('_at'))!;
  const { user_id } = data;
  const partition = partitionOf(user_id, installation.partitions);
  const event = {
    type,
    user_id,
    data,
    partition,
    position: 1,
    trace: TRACE,
    created_at: new Date(created_at),
  };
  return asExample(toMessage('', service, event));
}

function asExample({ headers, value }: KafkaRecord): { headers: object; payload: unknown } {
  return { headers: headers!, payload: JSON.parse(value!) };
}
