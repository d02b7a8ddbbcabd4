import { Envelope, EVENTS } from '@stream-processing/contracts/events.ts';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { partitionOf } from '@stream-processing/runtime/log.ts';
import { readerRole } from '@stream-processing/runtime/migrate.ts';
import manifest from '@stream-processing/runtime/package.json' with { type: 'json' };
import { schemaOf } from '@stream-processing/runtime/sql.ts';
import type { TSchema } from 'typebox';
import { DEFINITIONS } from './definitions.ts';
import { EXAMPLES } from './examples.ts';

/** As far as our document uses AsyncAPI 3. */
export interface AsyncApi {
  asyncapi: string;
  info: { title: string; version: string; description: string; license: object };
  defaultContentType: string;
  channels: Record<string, Channel>;
  operations: Record<string, object>;
  components: { schemas: Record<string, object>; messages: Record<string, Message> };
}

export interface Channel {
  address: string;
  title: string;
  description: string;
  messages: Record<string, object>;
}

export interface Message {
  name: string;
  summary: string;
  correlationId: object;
  headers: object;
  payload: object;
  examples: object[];
}

type Publisher = keyof typeof EVENTS;
type EventName = keyof typeof EXAMPLES;

const PARTITIONS = 16;
const TRACE = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

const DESCRIPTION = `What the services say to each other. Each publishes in a log of its own, in the transaction that changed what the event
speaks of; the others read it, each from its own cursor, and apply it exactly once.

A channel is the table \`log\` in the schema of its service. The headers of a message are columns of that table, its payload is the column \`data\`.
Events of one user are in one partition, in the order in which they were decided. They are never changed and never removed.`;

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
    channels: Object.fromEntries(publishers.map((service) => [nameOf(service), channelOf(service)])),
    operations: Object.fromEntries([...publishers.map(publishes), ...SERVICES.flatMap(applies)]),
    components: {
      schemas: {
        Envelope,
        ...Object.fromEntries(publishers.flatMap((service) => Object.entries<object>(EVENTS[service]))),
      },
      messages: Object.fromEntries(publishers.flatMap(messagesOf)),
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

function applies(service: ServiceName): [string, object][] {
  return DEFINITIONS[service].follows.map((source) => [
    `${nameOf(service)}Applies${upper(nameOf(source))}`,
    {
      action: 'receive',
      channel: { $ref: `#/channels/${nameOf(source)}` },
      summary: `${service} applies what ${source} published, and moves its cursor in the same transaction`,
    },
  ]);
}

/** `order-service` → `orderService`. */
function nameOf(service: ServiceName): string {
  return service.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

function upper(name: string): string {
  return name[0]!.toUpperCase() + name.slice(1);
}
