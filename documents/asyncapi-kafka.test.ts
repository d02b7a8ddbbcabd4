/** The AsyncAPI document says of Kafka what the code does: what it writes and makes is held against it. */
import { EVENTS } from '@stream-processing/contracts/events.ts';
import { endMessage, type Message, toMessage } from '@stream-processing/runtime/kafka-records.ts';
import type { LogEvent } from '@stream-processing/runtime/log.ts';
import { expect, test } from 'vitest';
import type { Publisher } from './asyncapi.ts';
import { asyncApiDocument } from './asyncapi.ts';
import { EXAMPLES } from './examples.ts';
import { messagesOf } from './messages.ts';

const document = asyncApiDocument();
const messages = messagesOf(document);

const EVERY = Object.entries(EVENTS).flatMap(([service, events]) =>
  Object.keys(events).map((type) => [service as Publisher, type as keyof typeof EXAMPLES] as const),
);

/** What the document has against a record that the relay would send. */
function findings(channel: string, name: string, { headers, value, key }: Message): string[] {
  const described = messages.find((each) => each.channel === channel && each.name === name)!;
  return described.findings({
    headers: headers!,
    payload: value === undefined ? null : JSON.parse(value),
    key,
  });
}

const channelOf = (service: Publisher) => `${service.replace('-service', '')}ServiceTopic`;

function given(type: keyof typeof EXAMPLES, settings: Partial<LogEvent> = {}): LogEvent {
  const data = EXAMPLES[type];
  const { user_id } = data;
  const trace = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
  return { type, user_id, data, partition: 10, position: 7, trace, created_at: new Date(), ...settings };
}

test.each(EVERY)('%s, %s: a record is as it is described, whatever it holds', (service, type) => {
  const largest = {
    partition: 1023,
    position: Number.MAX_SAFE_INTEGER,
    user_id: Number.MAX_SAFE_INTEGER,
    created_at: new Date(0),
  };
  const records = [
    toMessage('topic', service, given(type)),
    toMessage('topic', service, given(type, { trace: null })),
    toMessage('topic', service, given(type), 20),
    toMessage('topic', service, given(type, largest), Number.MAX_SAFE_INTEGER),
  ];
  for (const record of records) expect(findings(channelOf(service), type, record)).toEqual([]);
});

test.each(Object.keys(EVENTS) as Publisher[])(
  '%s: a record that tells the end is as it is described',
  (service) => {
    for (const [end, position] of [
      [0, 0],
      [20, 0],
      [20, 20],
      [Number.MAX_SAFE_INTEGER, 1],
    ] as const)
      expect(findings(channelOf(service), 'LogEnd', endMessage('topic', 3, end, position))).toEqual([]);
  },
);

test('the checks can fail: on another value, a header too few, one too many, another key, and a value where there is none', () => {
  const record = toMessage('topic', 'order-service', given('OrderPlaced'));
  const broken: [string, Partial<Message>][] = [
    ['/headers/ce_id must match pattern', { headers: { ...record.headers, ce_id: '7' } }],
    ['/headers/ce_source must be equal', { headers: { ...record.headers, ce_source: '/user-service' } }],
    ["/headers must have required property 'position'", { headers: without(record.headers!, 'position') }],
    ['/headers must NOT have unevaluated properties', { headers: { ...record.headers, ce_extra: 'x' } }],
    ['/key must match pattern', { key: 'anna' }],
    ["/payload must have required property 'price'", { value: '{}' }],
  ];
  for (const [finding, change] of broken)
    expect(findings('orderServiceTopic', 'OrderPlaced', { ...record, ...change })).toContainEqual(
      expect.stringContaining(finding),
    );
  const end = { ...endMessage('topic', 3, 20, 20), value: '{}' };
  expect(findings('orderServiceTopic', 'LogEnd', end)).toEqual(['/payload must be null']);
});

function without(headers: Message['headers'], name: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers!).filter(([key]) => key !== name));
}
