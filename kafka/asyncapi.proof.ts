/** Topics of a running installation, read as a follower from outside reads them, are what docs/asyncapi.yaml says. */
import { Admin, ConfigResourceTypes, Consumer, stringDeserializers } from '@platformatic/kafka';
import { EVENTS } from '@stream-processing/contracts/events.ts';
import { expect, onTestFinished, test } from 'vitest';
import { asyncApiDocument } from '../documents/asyncapi.ts';
import { messagesOf } from '../documents/messages.ts';
import { createDatabases } from '../test/database.ts';
import { startInstallation } from '../test/installation.ts';
import { givenKafka } from './given.ts';

const document = asyncApiDocument();
const described = messagesOf(document);

test('topics and records are as they are described, all kinds of them', async () => {
  const kafka = givenKafka({ retentionHours: 168 });
  const { api, stop } = await startInstallation(await createDatabases(), { kafka });
  onTestFinished(stop);
  const user_id = await api.userWith(100);
  for (const price of [30, 5000]) expect((await api.order(user_id, price)).status).toBe(201);

  const channels = Object.entries(document.channels).filter(([, { parameters }]) => parameters);
  const topicOf = (address: string) => address.replace('{topicPrefix}', kafka.topicPrefix);
  const names = new Map(channels.map(([name, { address }]) => [topicOf(address), name]));
  const consumer = new Consumer({
    clientId: 'outside',
    groupId: `${kafka.topicPrefix}outside`,
    bootstrapBrokers: kafka.brokers,
    deserializers: stringDeserializers,
  });
  onTestFinished(() => consumer.close(true));
  const stream = await consumer.consume({ topics: [...names.keys()], mode: 'earliest', autocommit: false });
  const expected = [...Object.values(EVENTS).flatMap((own) => Object.keys(own)), 'LogEnd'].sort();
  const seen = new Set<string>();
  for await (const { topic, partition, key, value, headers: pairs } of stream) {
    const headers = Object.fromEntries(pairs);
    const name = headers.ce_type ?? 'LogEnd';
    const message = described.find((each) => each.channel === names.get(topic) && each.name === name)!;
    const payload = value ? JSON.parse(value) : null;
    const record = name === 'LogEnd' ? { headers, payload } : { headers, payload, key };
    expect({ record, findings: message.findings(record) }).toEqual({ record, findings: [] });
    if (name !== 'LogEnd') expect(partition).toBe(Number(key) % 16);
    seen.add(name);
    if (seen.size === expected.length) break;
  }
  expect([...seen].sort()).toEqual(expected);

  const admin = new Admin({ clientId: 'outside-admin', bootstrapBrokers: kafka.brokers });
  onTestFinished(() => admin.close());
  const metadata = await admin.metadata({ topics: [...names.keys()] });
  for (const [topic, name] of names) {
    const bound = document.channels[name]!.bindings!.kafka as Record<string, unknown>;
    const { partitions } = metadata.topics.get(topic)!;
    expect([partitions.length, partitions[0]!.replicas.length]).toEqual([bound.partitions, bound.replicas]);
    const [description] = await admin.describeConfigs({
      resources: [{ resourceType: ConfigResourceTypes.TOPIC, resourceName: topic }],
    });
    const found = Object.fromEntries(description!.configs.map((each) => [each.name, each.value]));
    for (const [config, value] of Object.entries(bound.topicConfiguration as object))
      expect({ config, value: found[config] }).toEqual({ config, value: String(value) });
  }
});
