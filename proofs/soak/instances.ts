/** The installation under test: processes that are killed and started again, on a PostgreSQL that is too. */
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { settingOf } from '@stream-processing/runtime/config.ts';
import { type Program, startProgram } from '../../bench/program.ts';
import type { Random } from '../random.ts';

/** `apart`: two processes of each service. `together`: one process with all four, as `npm start` runs them. */
export type Layout = 'apart' | 'together';

const DESCRIBE_MS_MAX = 5000;
/** More than the 40 s after which a service leaves. */
const STOP_MS_MAX = 50_000;
/** Lines of `/metrics` that say something other than nothing. */
const STANDING =
  /^(?:leases_held|pipeline_queue_commands|processor_stopped|processor_lag_events|relay_lag_events)\b.* (?!0$).*$/gm;

const INSTANCES: Record<Layout, number> = { apart: 2, together: 1 };

export interface InstancesOptions {
  layout: Layout;
  databaseUrls: Record<ServiceName, string>;
  /** Further settings. */
  settings: NodeJS.ProcessEnv;
  folder: string;
  random: Random;
  signal: AbortSignal;
}

/** One process, over all its lives; its ports stay the same. */
export class Instance {
  readonly name: string;
  readonly #options: InstancesOptions;
  readonly #service: ServiceName | undefined;
  #program: Program | undefined;
  /** By service, as far as this process runs them. */
  urls: Partial<Record<ServiceName, string>> = {};

  constructor(options: InstancesOptions, service: ServiceName | undefined, number: number) {
    this.#options = options;
    this.#service = service;
    this.name = `${service ?? 'all services'} no. ${number}`;
  }

  get pid(): number {
    return this.#program!.pid;
  }

  /** Ready again, at the addresses of its first life. */
  async start(): Promise<void> {
    const { databaseUrls, settings, folder, signal } = this.#options;
    const env: NodeJS.ProcessEnv = {
      ...process.env,
      ...settings,
      HOST: '127.0.0.1',
      LOG_LEVEL: 'warn',
    };
    for (const service of SERVICES) {
      const url = this.urls[service];
      env[settingOf(service, 'PORT')] = url ? new URL(url).port : '0';
      env[settingOf(service, 'DATABASE_URL')] = databaseUrls[service];
    }
    const file = this.#service ? `services/${this.#service}/main.ts` : 'everything.ts';
    const ready = this.#service ? / ready$/ : /is ready$/;
    this.#program = await startProgram({ file, env, ready, folder, signal });
    for (const service of this.#service ? [this.#service] : SERVICES) {
      const line = this.#program.lines.find((text) => text.startsWith(service));
      this.urls[service] = /http:\/\/[^\s]+/.exec(line ?? '')![0];
    }
  }

  /** Sends a signal; `SIGKILL` resolves when the process has ended. */
  async send(signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): Promise<void> {
    process.kill(this.pid, signal);
    if (signal === 'SIGKILL') await this.#program!.ended;
  }

  /** Asks it to stop; answers its exit code, or what ended it: itself it must, within the time that it gives itself. */
  async ask(): Promise<number | string> {
    const { ended } = this.#program!;
    process.kill(this.pid, 'SIGTERM');
    const late = setTimeout(() => process.kill(this.pid, 'SIGKILL'), STOP_MS_MAX);
    const [code, signal] = (await ended) as [number | null, string | null];
    clearTimeout(late);
    return code ?? signal ?? 'nothing';
  }

  /** What it said last, and where it stands, for whoever has to find out why it does not go on. */
  async describe(): Promise<string> {
    const told = await Promise.all(
      Object.entries(this.urls).map(async ([service, url]) => {
        const lines = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(DESCRIBE_MS_MAX) })
          .then(async (response) => (await response.text()).match(STANDING) ?? ['nothing waits'])
          .catch((error: Error) => [error.message]);
        return [service, ...lines].join('\n');
      }),
    );
    return [`${this.name}, process ${this.#program?.pid}`, this.#program?.said() ?? '', ...told].join('\n');
  }

  async stop(): Promise<void> {
    await this.#program?.stop();
  }
}

export class Instances {
  readonly all: Instance[];
  readonly #random: Random;

  constructor(options: InstancesOptions) {
    this.#random = options.random;
    const services = options.layout === 'apart' ? SERVICES : [undefined];
    this.all = services.flatMap((service) =>
      Array.from({ length: INSTANCES[options.layout] }, (_, i) => new Instance(options, service, i + 1)),
    );
  }

  /** Some instance's address of a service; a different one from `not` where there is one. */
  urlOf(service: ServiceName, not?: string): string {
    const urls = this.all.flatMap((instance) => instance.urls[service] ?? []);
    const others = urls.filter((url) => url !== not);
    return this.#random.pick(others.length > 0 ? others : urls);
  }

  async start(): Promise<void> {
    await Promise.all(this.all.map((instance) => instance.start()));
  }

  async stop(): Promise<void> {
    await Promise.all(this.all.map((instance) => instance.stop()));
  }
}
