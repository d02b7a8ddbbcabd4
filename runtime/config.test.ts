import { readFileSync } from 'node:fs';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { expect, test } from 'vitest';
import { databaseUrl, readConfig, settingOf } from './config.ts';
import { StartupError } from './startup-error.ts';

const URL_1 = 'postgres://one@host:5432/db';
const URL_2 = 'postgresql://two:secret@host/db';

function complaints(env: Record<string, string>): string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(StartupError);
    return (error as StartupError).message.split('\n');
  }
}

test('an empty environment is a complete configuration', () => {
  expect(readConfig({})).toEqual({
    host: '127.0.0.1',
    ports: {
      'user-service': 8000,
      'billing-service': 8001,
      'notification-service': 8002,
      'order-service': 8003,
    },
    dataDir: undefined,
    databaseUrls: {},
    databaseWaitSeconds: 60,
    installation: { partitions: 16, currency: 'RUB' },
    logRetentionHours: 720,
    kafka: undefined,
    logLevel: 'info',
  });
});

test('events travel by Kafka where that is asked for, with what a cluster needs', () => {
  expect(readConfig({ KAFKA_BROKERS: 'kafka:9092' }).kafka, 'not without EVENT_LOG=kafka').toBeUndefined();
  const env = { EVENT_LOG: 'kafka', KAFKA_BROKERS: 'kafka-1:9092, kafka-2:9092,[::1]:9092' };
  const brokers = ['kafka-1:9092', 'kafka-2:9092', '[::1]:9092'];
  expect(readConfig(env).kafka).toEqual({
    brokers,
    topicPrefix: 'stream-processing.',
    replicationFactor: 3,
    retentionHours: 168,
    tls: undefined,
    sasl: undefined,
  });
  const file = import.meta.filename;
  const more = {
    KAFKA_TOPIC_PREFIX: 'shop-1.',
    KAFKA_REPLICATION_FACTOR: '1',
    KAFKA_RETENTION_HOURS: '0',
    KAFKA_TLS: 'true',
    KAFKA_TLS_CA_FILE: file,
    KAFKA_SASL_MECHANISM: 'SCRAM-SHA-512',
    KAFKA_SASL_USERNAME: 'orders',
    KAFKA_SASL_PASSWORD: 'secret',
  };
  expect(readConfig({ ...env, ...more }).kafka).toEqual({
    brokers,
    topicPrefix: 'shop-1.',
    replicationFactor: 1,
    retentionHours: 0,
    tls: { ca: readFileSync(file, 'utf8'), cert: undefined, key: undefined },
    sasl: { mechanism: 'SCRAM-SHA-512', username: 'orders', password: 'secret' },
  });
});

test.each([
  [{ EVENT_LOG: 'rabbitmq' }, 'EVENT_LOG: "rabbitmq" is not one of postgres, kafka'],
  [{ EVENT_LOG: 'kafka' }, /^KAFKA_BROKERS is missing: /],
  [{ KAFKA_BROKERS: 'kafka-1' }, 'KAFKA_BROKERS: "kafka-1" is not an address like kafka-1:9092'],
  [{ KAFKA_TOPIC_PREFIX: 'a b' }, /^KAFKA_TOPIC_PREFIX: "a b" is not of letters/],
  [{ KAFKA_REPLICATION_FACTOR: '0' }, 'KAFKA_REPLICATION_FACTOR: "0" is not a number from 1 to 99'],
  [
    { EVENT_LOG: 'kafka', KAFKA_BROKERS: 'k:1', LOG_RETENTION_HOURS: '167.5' },
    'LOG_RETENTION_HOURS is 167.5, but KAFKA_RETENTION_HOURS is 168: logs fill the topics, and must not lack what those keep',
  ],
  [{ KAFKA_RETENTION_HOURS: '-1' }, 'KAFKA_RETENTION_HOURS: "-1" is not a number of hours (0 to 999999)'],
  [{ KAFKA_TLS: 'yes' }, 'KAFKA_TLS: "yes" is not true or false'],
  [{ KAFKA_SASL_MECHANISM: 'GSSAPI' }, /^KAFKA_SASL_MECHANISM: "GSSAPI" is not one of /],
  [
    { EVENT_LOG: 'kafka', KAFKA_BROKERS: 'k:1', KAFKA_SASL_PASSWORD: 'secret' },
    /^KAFKA_SASL_MECHANISM is missing: /,
  ],
  [
    { EVENT_LOG: 'kafka', KAFKA_BROKERS: 'k:1', KAFKA_TLS_CA_FILE: '/etc/ca.pem' },
    'KAFKA_TLS_CA_FILE is set, but KAFKA_TLS is not true',
  ],
  [
    { EVENT_LOG: 'kafka', KAFKA_BROKERS: 'k:1', KAFKA_SASL_MECHANISM: 'PLAIN' },
    /^KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is missing/,
  ],
  [
    { EVENT_LOG: 'kafka', KAFKA_BROKERS: 'k:1', KAFKA_TLS: 'true', KAFKA_TLS_CA_FILE: '/nowhere/ca.pem' },
    'KAFKA_TLS_CA_FILE: cannot read /nowhere/ca.pem (ENOENT)',
  ],
  [
    { EVENT_LOG: 'kafka', KAFKA_BROKERS: 'k:1', KAFKA_TLS: 'true', KAFKA_TLS_KEY_FILE: import.meta.filename },
    'KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE: there is one without the other',
  ],
  [
    {
      ...{ EVENT_LOG: 'kafka', KAFKA_BROKERS: 'k:1', KAFKA_TLS: 'true' },
      ...{ KAFKA_TLS_CERT_FILE: import.meta.filename, KAFKA_TLS_KEY_FILE: import.meta.filename },
    },
    'KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE: no start line',
  ],
])('a bad setting of Kafka is named: %j', (env, complaint) => {
  expect(complaints(env as Record<string, string>)).toEqual([
    typeof complaint === 'string' ? complaint : expect.stringMatching(complaint),
  ]);
});

test('every setting is read', () => {
  const env = {
    HOST: '::',
    USER_PORT: '1',
    BILLING_PORT: '0',
    NOTIFICATION_PORT: '65535',
    ORDER_PORT: '443',
    DATA_DIR: '/data',
    DATABASE_URL: URL_1,
    DATABASE_WAIT_SECONDS: '5',
    CURRENCY: 'EUR',
    PARTITIONS: '1024',
    LOG_RETENTION_HOURS: '0.5',
    LOG_LEVEL: 'silent',
  };
  expect(readConfig(env)).toEqual({
    host: '::',
    ports: { 'user-service': 1, 'billing-service': 0, 'notification-service': 65_535, 'order-service': 443 },
    dataDir: '/data',
    databaseUrls: Object.fromEntries(SERVICES.map((service) => [service, URL_1])),
    databaseWaitSeconds: 5,
    installation: { partitions: 1024, currency: 'EUR' },
    logRetentionHours: 0.5,
    logLevel: 'silent',
  });
});

test.each(SERVICES)('%s can have a database of its own', (service) => {
  const own = readConfig({ DATABASE_URL: URL_1, [settingOf(service, 'DATABASE_URL')]: URL_2 });
  for (const other of SERVICES) expect(databaseUrl(own, other)).toBe(other === service ? URL_2 : URL_1);
});

test.each(SERVICES)('%s alone without a database is told which settings name one', (service) => {
  expect(() => databaseUrl(readConfig({}), service)).toThrow(
    new RegExp(`^DATABASE_URL \\(or ${settingOf(service, 'DATABASE_URL')}\\) is missing: .*postgres://`),
  );
});

const PORTS = SERVICES.map((service) => settingOf(service, 'PORT'));
const DATABASES = ['DATABASE_URL', ...SERVICES.map((service) => settingOf(service, 'DATABASE_URL'))];
const BAD: [names: string[], values: string[]][] = [
  [['LOG_RETENTION_HOURS'], ['', '-1', '1e3', '.5', '1000000', '0.00001', 'week']],
  [['HOST', 'DATA_DIR'], ['']],
  [PORTS, ['', '-1', '65536', '80.5', '0x50', 'http', ' 80', '1e3', '٣']],
  [DATABASES, ['host:5432/db', 'http://host/db', 'postgres', 'localhost', '//host/db']],
  [['PARTITIONS'], ['', '0', '1025', '-1', '1.5', 'many', '1e2', '00000']],
  [['CURRENCY'], ['', 'rub', 'RUBLE', 'RU', 'R B', '₽', 'RUB\n', 'RUB\nEUR']],
  [['LOG_LEVEL'], ['', 'INFO', 'verbose', 'warning']],
];
const SETTINGS = BAD.flatMap(([names, values]) =>
  names.flatMap((name) => values.map((value) => ({ name, value, shown: JSON.stringify(value) }))),
);

test.each(SETTINGS)('$name=$shown gives one line that names the variable', ({ name, value }) => {
  expect(complaints({ [name]: value })).toEqual([expect.stringMatching(new RegExp(`^${name}\\b.{5,}`))]);
});

test('several bad settings are told together, one line each', () => {
  const lines = complaints({ ORDER_PORT: 'x', CURRENCY: 'x', PARTITIONS: 'x', LOG_LEVEL: 'warn' });
  expect(lines.map((line) => line.split(':')[0]).sort()).toEqual(['CURRENCY', 'ORDER_PORT', 'PARTITIONS']);
});

test('a database that is not one is not repeated: it may hold a password', () => {
  expect(complaints({ DATABASE_URL: 'mysql://root:hunter2@host/db' }).join()).not.toContain('hunter2');
});
