import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { cleanEnv, EnvMissingError, makeValidator } from 'envalid';
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
    logLevel: settings.LOG_LEVEL,
  };
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
const logLevel = makeValidator<string>((value) => {
  if (!LOG_LEVELS.includes(value))
    throw new Error(`${JSON.stringify(value)} is not one of ${LOG_LEVELS.join(', ')}`);
  return value;
});
const postgresUrl = makeValidator<string>((value) => {
  if (value && !/^postgres(ql)?:$/.test(URL.parse(value)?.protocol ?? '')) {
    throw new Error('is not a URL like postgres://user:password@host:5432/database');
  }
  return value;
});

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
  LOG_LEVEL: logLevel({ default: 'info' }),
};

function reporter({ errors }: { errors: Partial<Record<string, Error>> }) {
  const lines = Object.entries(errors).map(([name, error]) =>
    error instanceof EnvMissingError ? `${name} is missing` : `${name}: ${error?.message}`,
  );
  if (lines.length > 0) throw new StartupError(lines.join('\n'));
}
