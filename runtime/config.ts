/** All settings, read from the environment and checked; README has the table. */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { cleanEnv, EnvMissingError, makeValidator } from 'envalid';
import { type KafkaOptions, SASL_MECHANISMS, type SaslMechanism } from './kafka-options.ts';
import type { Installation } from './migrate.ts';
import { StartupError } from './startup-error.ts';

export interface Config {
  host: string;
  ports: Record<ServiceName, number>;
  /** Where the embedded PostgreSQL keeps its data; undefined: not given. */
  dataDir: string | undefined;
  /** undefined: not given, the embedded PostgreSQL serves. */
  databaseUrls: Partial<Record<ServiceName, string>>;
  /** How long a service that starts waits for a database that does not answer. */
  databaseWaitSeconds: number;
  installation: Installation;
  /** Events that are older go once everybody has applied them; 0: all stay. */
  logRetentionHours: number;
  /** undefined: events travel by PostgreSQL. */
  kafka: KafkaOptions | undefined;
  logLevel: string;
}

type Env = Record<string, string | undefined>;

const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'];
const PREFIX: Record<ServiceName, string> = {
  'user-service': 'USER',
  'billing-service': 'BILLING',
  'notification-service': 'NOTIFICATION',
  'order-service': 'ORDER',
};

/** Reads the environment; throws a StartupError with one line per bad setting, naming the variable. */
export function readConfig(env: Env): Config {
  const settings = cleanEnv(env, SPECS, { reporter });
  const databaseUrls: Partial<Record<ServiceName, string>> = {};
  for (const service of SERVICES) {
    const url = settings[settingOf(service, 'DATABASE_URL') as 'USER_DATABASE_URL'] || settings.DATABASE_URL;
    if (url) databaseUrls[service] = url;
  }
  return {
    host: settings.HOST,
    ports: {
      'user-service': settings.USER_PORT,
      'billing-service': settings.BILLING_PORT,
      'notification-service': settings.NOTIFICATION_PORT,
      'order-service': settings.ORDER_PORT,
    },
    dataDir: settings.DATA_DIR || undefined,
    databaseUrls,
    databaseWaitSeconds: settings.DATABASE_WAIT_SECONDS,
    installation: { partitions: settings.PARTITIONS, currency: settings.CURRENCY },
    logRetentionHours: settings.LOG_RETENTION_HOURS,
    kafka: settings.EVENT_LOG === 'kafka' ? readKafka(settings) : undefined,
    logLevel: settings.LOG_LEVEL,
  };
}

type Settings = ReturnType<typeof cleanEnv<typeof SPECS>>;

function readKafka(settings: Settings): KafkaOptions {
  const brokers = brokersOf(settings.KAFKA_BROKERS);
  if (brokers.length === 0)
    throw new StartupError(
      'KAFKA_BROKERS is missing: EVENT_LOG=kafka needs it, like kafka-1:9092,kafka-2:9092',
    );
  const mechanism = settings.KAFKA_SASL_MECHANISM as SaslMechanism | '';
  const { KAFKA_SASL_USERNAME: username, KAFKA_SASL_PASSWORD: password } = settings;
  if (mechanism && !(username && password))
    throw new StartupError(
      `KAFKA_SASL_USERNAME or KAFKA_SASL_PASSWORD is missing: KAFKA_SASL_MECHANISM=${mechanism} needs both`,
    );
  // Passed over, a password would travel in the clear, or nobody would ask for it.
  if (!mechanism && (username || password))
    throw new StartupError(
      'KAFKA_SASL_MECHANISM is missing: KAFKA_SASL_USERNAME and KAFKA_SASL_PASSWORD go by it',
    );
  const file = TLS_FILES.find((name) => settings[name] !== '');
  if (!settings.KAFKA_TLS && file !== undefined)
    throw new StartupError(`${file} is set, but KAFKA_TLS is not true`);
  const { LOG_RETENTION_HOURS: log, KAFKA_RETENTION_HOURS: topics } = settings;
  if (log > 0 && topics > 0 && log < topics)
    throw new StartupError(
      `LOG_RETENTION_HOURS is ${log}, but KAFKA_RETENTION_HOURS is ${topics}: logs fill the topics, and must not lack what those keep`,
    );
  return {
    brokers,
    topicPrefix: settings.KAFKA_TOPIC_PREFIX,
    replicationFactor: settings.KAFKA_REPLICATION_FACTOR,
    retentionHours: settings.KAFKA_RETENTION_HOURS,
    tls: settings.KAFKA_TLS ? readTls(settings) : undefined,
    sasl: mechanism ? { mechanism, username, password } : undefined,
  };
}

function brokersOf(list: string): string[] {
  return list.split(',').flatMap((broker) => broker.trim() || []);
}

const TLS_FILES = ['KAFKA_TLS_CA_FILE', 'KAFKA_TLS_CERT_FILE', 'KAFKA_TLS_KEY_FILE'] as const;

function readTls(settings: Settings): KafkaOptions['tls'] {
  const [ca, cert, key] = TLS_FILES.map((name) => readPem(settings, name));
  const both = 'KAFKA_TLS_CERT_FILE and KAFKA_TLS_KEY_FILE';
  if ((cert === undefined) !== (key === undefined))
    throw new StartupError(`${both}: there is one without the other`);
  try {
    // Here, since the client would throw past everybody who waits for it.
    createSecureContext({ cert, key });
  } catch (error) {
    throw new StartupError(`${both}: ${(error as { reason?: string }).reason ?? (error as Error).message}`);
  }
  return { ca, cert, key };
}

function readPem(
  settings: Settings,
  name: 'KAFKA_TLS_CA_FILE' | 'KAFKA_TLS_CERT_FILE' | 'KAFKA_TLS_KEY_FILE',
): string | undefined {
  const file = settings[name];
  if (!file) return undefined;
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new StartupError(`${name}: cannot read ${file} (${(error as NodeJS.ErrnoException).code})`);
  }
}

/** The database of `service`, which a process of its own cannot do without. */
export function databaseUrl(config: Config, service: ServiceName): string {
  const url = config.databaseUrls[service];
  if (!url) {
    throw new StartupError(
      `DATABASE_URL (or ${settingOf(service, 'DATABASE_URL')}) is missing: ` +
        `the PostgreSQL of ${service}, like postgres://user:password@host:5432/database`,
    );
  }
  return url;
}

/** `PORT` of user-service → `USER_PORT`. */
export function settingOf(service: ServiceName, setting: 'PORT' | 'DATABASE_URL'): string {
  return `${PREFIX[service]}_${setting}`;
}

const text = makeValidator<string>((value) => {
  if (value === '') throw new Error('is empty');
  return value;
});
const port = makeValidator<number>((value) => {
  // 0 lets the system choose a free port.
  if (!/^\d{1,5}$/.test(value) || Number(value) > 65_535)
    throw new Error(`${JSON.stringify(value)} is not a port (0 to 65535)`);
  return Number(value);
});
const partitions = makeValidator<number>((value) => {
  const number = Number(value);
  if (!/^\d{1,4}$/.test(value) || number < 1 || number > 1024)
    throw new Error(`${JSON.stringify(value)} is not a number from 1 to 1024`);
  return number;
});
const seconds = makeValidator<number>((value) => {
  if (!/^\d{1,4}$/.test(value) || Number(value) > 3600)
    throw new Error(`${JSON.stringify(value)} is not a number of seconds (0 to 3600)`);
  return Number(value);
});
const currency = makeValidator<string>((value) => {
  if (!/^[A-Z]{3}$/.test(value))
    throw new Error(`${JSON.stringify(value)} is not a currency code of three capital letters`);
  return value;
});
const postgresUrl = makeValidator<string>((value) => {
  if (value && !/^postgres(ql)?:$/.test(URL.parse(value)?.protocol ?? '')) {
    throw new Error('is not a URL like postgres://user:password@host:5432/database');
  }
  return value;
});

const brokerList = makeValidator<string>((value) => {
  const bad = brokersOf(value).find((broker) => !/^(\[[\da-fA-F:]+\]|[^\s:/]+):\d{1,5}$/.test(broker));
  if (bad !== undefined) throw new Error(`${JSON.stringify(bad)} is not an address like kafka-1:9092`);
  return value;
});
const topicPrefix = makeValidator<string>((value) => {
  // A topic has 249 characters at most, and the longest service's name 20.
  if (!/^[a-zA-Z0-9._-]{0,200}$/.test(value))
    throw new Error(`${JSON.stringify(value)} is not of letters, digits, ".", "_" and "-", 200 at most`);
  return value;
});
const replicas = makeValidator<number>((value) => {
  if (!/^[1-9]\d?$/.test(value)) throw new Error(`${JSON.stringify(value)} is not a number from 1 to 99`);
  return Number(value);
});
const hoursLike = (pattern: RegExp) =>
  makeValidator<number>((value) => {
    if (!pattern.test(value))
      throw new Error(`${JSON.stringify(value)} is not a number of hours (0 to 999999)`);
    return Number(value);
  });
const hours = hoursLike(/^\d{1,6}$/);
const partsOfHours = hoursLike(/^\d{1,6}(\.\d{1,4})?$/);
const yesOrNo = makeValidator<boolean>((value) => {
  if (value !== 'true' && value !== 'false') throw new Error(`${JSON.stringify(value)} is not true or false`);
  return value === 'true';
});
const oneOf = (...values: readonly string[]) =>
  makeValidator<string>((value) => {
    if (!values.includes(value))
      throw new Error(`${JSON.stringify(value)} is not one of ${values.join(', ')}`);
    return value;
  });
const eventLog = oneOf('postgres', 'kafka');
const saslMechanism = oneOf('', ...SASL_MECHANISMS);
const logLevel = oneOf(...LOG_LEVELS);

const SPECS = {
  HOST: text({ default: '127.0.0.1' }),
  USER_PORT: port({ default: 8000 }),
  BILLING_PORT: port({ default: 8001 }),
  NOTIFICATION_PORT: port({ default: 8002 }),
  ORDER_PORT: port({ default: 8003 }),
  DATA_DIR: text({ default: '' }),
  DATABASE_URL: postgresUrl({ default: '' }),
  USER_DATABASE_URL: postgresUrl({ default: '' }),
  BILLING_DATABASE_URL: postgresUrl({ default: '' }),
  NOTIFICATION_DATABASE_URL: postgresUrl({ default: '' }),
  ORDER_DATABASE_URL: postgresUrl({ default: '' }),
  DATABASE_WAIT_SECONDS: seconds({ default: 60 }),
  CURRENCY: currency({ default: 'RUB' }),
  PARTITIONS: partitions({ default: 16 }),
  LOG_RETENTION_HOURS: partsOfHours({ default: 720 }),
  EVENT_LOG: eventLog({ default: 'postgres' }),
  KAFKA_BROKERS: brokerList({ default: '' }),
  KAFKA_TOPIC_PREFIX: topicPrefix({ default: 'stream-processing.' }),
  KAFKA_REPLICATION_FACTOR: replicas({ default: 3 }),
  KAFKA_RETENTION_HOURS: hours({ default: 168 }),
  KAFKA_TLS: yesOrNo({ default: false }),
  KAFKA_TLS_CA_FILE: text({ default: '' }),
  KAFKA_TLS_CERT_FILE: text({ default: '' }),
  KAFKA_TLS_KEY_FILE: text({ default: '' }),
  KAFKA_SASL_MECHANISM: saslMechanism({ default: '' }),
  KAFKA_SASL_USERNAME: text({ default: '' }),
  KAFKA_SASL_PASSWORD: text({ default: '' }),
  LOG_LEVEL: logLevel({ default: 'info' }),
};

function reporter({ errors }: { errors: Partial<Record<string, Error>> }) {
  const lines = Object.entries(errors).map(([name, error]) =>
    error instanceof EnvMissingError ? `${name} is missing` : `${name}: ${error?.message}`,
  );
  if (lines.length > 0) throw new StartupError(lines.join('\n'));
}
