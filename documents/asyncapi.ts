import { Envelope, EVENTS } from '@stream-processing/contracts/events.ts';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { partitionOf } from '@stream-processing/runtime/log.ts';
import { readerRole } from '@stream-processing/runtime/migrate.ts';
import manifest from '@stream-processing/runtime/package.json' with { type: 'json' };
import { schemaOf } from '@stream-processing/runtime/sql.ts';
import type { TSchema } from 'typebox';
import { DEFINITIONS } from '../services/definitions.ts';
import { endOfLog, KAFKA_SERVERS, recordMessages, SECURITY_SCHEMES, topicChannel } from './asyncapi-kafka.ts';
import { EXAMPLES } from './examples.ts';

/** As far as our document uses AsyncAPI 3. */
export interface AsyncApi {
  asyncapi: string;
  info: { title: string; version: string; description: string; license: object };
  defaultContentType: string;
  servers: Record<string, { host: string; protocol: string; description: string; security?: object[] }>;
  channels: Record<string, Channel>;
  operations: Record<string, object>;
  components: {
    schemas: Record<string, object>;
    messages: Record<string, Message>;
    securitySchemes: Record<string, object>;
  };
}

export interface Channel {
  address: string;
  title: string;
  description: string;
  parameters?: Record<string, { default: string; description: string }>;
  servers: { $ref: string }[];
  messages: Record<string, object>;
  bindings?: { kafka: object };
}

export interface Message {
  name: string;
  summary: string;
  correlationId?: object;
  headers: object;
  payload: object;
  bindings?: { kafka: { key: object; bindingVersion: string } };
  examples: { headers: object; payload: unknown }[];
}

export type Publisher = keyof typeof EVENTS;
type EventName = keyof typeof EXAMPLES;

const PARTITIONS = 16;
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const DESCRIPTION = `What the services say to each other. Each publishes in a log of its own, in the transaction that changed what the event
speaks of; the others read it, each from its own cursor, and apply it exactly once.

A log is the table \`log\` in the schema of its service: the headers of a message are columns of that table, its payload is the column \`data\`. Where
\`EVENT_LOG=kafka\` each service copies its log to a topic of its own, and the others follow that: CloudEvents in binary mode, keyed by the user's id.
Events of one user are in one partition, in the order in which they were decided. They are never changed. Old ones go (\`LOG_RETENTION_HOURS\`) once every service that follows the log has applied them.`;

const POSTGRES = {
  host: 'localhost:5432',
  protocol: 'postgresql',
  description: 'The PostgreSQL of the service, by the address that `DATABASE_URL` has for it.',
};

/** The logs of all services as one AsyncAPI 3 document. */
export function asyncApiDocument(): AsyncApi {
  const publishers = SERVICES.filter((service): service is Publisher => service in EVENTS);
  return {
    asyncapi: '3.1.0',
    info: {
      title: 'stream-processing events',
      version: manifest.version,
      description: DESCRIPTION,
      license: { name: 'MIT', url: 'https://spdx.org/licenses/MIT.html' },
    },
    defaultContentType: 'application/json',
    servers: { postgres: POSTGRES, ...KAFKA_SERVERS },
    channels: Object.fromEntries([
      ...publishers.map((service) => [nameOf(service), channelOf(service)]),
      ...publishers.map((service) => [topicOf(service), topicChannel(service)]),
    ]),
    operations: Object.fromEntries([
      ...publishers.flatMap((service) => [publishes(service), relays(service)]),
      ...SERVICES.flatMap(applies),
    ]),
    components: {
      schemas: {
        Envelope,
        ...Object.fromEntries(publishers.flatMap((service) => Object.entries<object>(EVENTS[service]))),
      },
      messages: Object.fromEntries([
        ...publishers.flatMap(messagesOf),
        ...publishers.flatMap(recordMessages),
        ['LogEnd', endOfLog()],
      ]),
      securitySchemes: SECURITY_SCHEMES,
    },
  };
}

function channelOf(service: Publisher): Channel {
  const schema = schemaOf(service);
  return {
    address: `${schema}.log`,
    title: `Log of ${service}`,
    description:
      `PostgreSQL table \`${schema}.log\`; primary key \`(partition, position)\`. Read it as the role \`${readerRole(service)}\`, by ` +
      '`select * from log where partition = $1 and position > $2 order by position`. ' +
      `News are told by \`NOTIFY "${service}"\`, which may be lost: look by yourself from time to time.`,
    servers: [{ $ref: '#/servers/postgres' }],
    messages: Object.fromEntries(
      Object.keys(EVENTS[service]).map((name) => [name, { $ref: `#/components/messages/${name}` }]),
    ),
  };
}

function messagesOf(service: Publisher): [string, Message][] {
  return Object.entries<TSchema & { description?: string }>(EVENTS[service]).map(([name, schema]) => [
    name,
    {
      name,
      summary: schema.description!,
      correlationId: { location: '$message.header#/trace' },
      headers: {
        allOf: [{ $ref: '#/components/schemas/Envelope' }, { properties: { type: { const: name } } }],
      },
      payload: { $ref: `#/components/schemas/${name}` },
      examples: [exampleOf(name as EventName)],
    },
  ]);
}

function exampleOf(type: EventName) {
  const payload = EXAMPLES[type];
  const { user_id } = payload;
  const created_at = Object.entries(payload).find(([name]) => name.endsWith('_at'))![1];
  const partition = partitionOf(user_id, PARTITIONS);
  return { headers: { type, partition, position: 1, user_id, trace: TRACE, created_at }, payload };
}

function publishes(service: Publisher): [string, object] {
  return [
    `${nameOf(service)}Publishes`,
    {
      action: 'send',
      channel: { $ref: `#/channels/${nameOf(service)}` },
      summary: `${service} appends, in the transaction of the effects`,
    },
  ];
}

function relays(service: Publisher): [string, object] {
  return [
    `${nameOf(service)}Relays`,
    {
      action: 'send',
      channel: { $ref: `#/channels/${topicOf(service)}` },
      summary: `${service} copies its log, each partition in order, and answers who wrote when all in-sync replicas have it`,
    },
  ];
}

function applies(service: ServiceName): [string, object][] {
  return DEFINITIONS[service].follows.flatMap((source) => [
    applyFrom(service, source, nameOf(source), ','),
    applyFrom(service, source, topicOf(source), ', by Kafka,'),
  ]);
}

function applyFrom(
  service: ServiceName,
  source: ServiceName,
  channel: string,
  how: string,
): [string, object] {
  return [
    `${nameOf(service)}Applies${upper(channel)}`,
    {
      action: 'receive',
      channel: { $ref: `#/channels/${channel}` },
      summary: `${service} applies what ${source} published${how} and moves its cursor in the same transaction`,
    },
  ];
}

/** `order-service` → `orderService`. */
function nameOf(service: ServiceName): string {
  return service.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** Of the channel that is its Kafka topic. */
function topicOf(service: ServiceName): string {
  return `${nameOf(service)}Topic`;
}

function upper(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1);
}
