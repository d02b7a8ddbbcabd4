import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rm } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { Admin } from '@platformatic/kafka';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';

export interface BrokerOptions {
  id: number;
  /** host:port that clients and we ourselves reach it by. */
  address: string;
  clusterId: string;
  classPath: string;
  /** Its properties. */
  config: string;
  dataDir: string;
  logFile: string;
  loggingConfig: string;
  /** SCRAM users, as the storage tool takes them. */
  scram: string[];
}

const START_MS_MAX = 120_000;
const LOOK_MS = 100;
const HEAP = ['-Xms128m', '-Xmx384m', '-XX:+UseSerialGC'];

/**
 * A shell between us and Java: it tells Java's process id, and when its standard input ends, because we did, so does Java.
 * A line there says how else it should end.
 */
const KEEPER =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: of the shell
  'java "$@" </dev/null >/dev/null 2>&1 & echo $!; read -r signal; kill -${signal:-KILL} $!; wait $!';

/** One node of the cluster: broker and controller in a process of its own. */
export class Broker {
  readonly #options: BrokerOptions;
  #keeper: ChildProcess | undefined;
  #pid: number | undefined;

  constructor(options: BrokerOptions) {
    this.#options = options;
  }

  get id(): number {
    return this.#options.id;
  }

  get address(): string {
    return this.#options.address;
  }

  /** Of the Java process; undefined: it does not run. */
  get pid(): number | undefined {
    return this.#pid;
  }

  /** Prepares its data folder. */
  async format(): Promise<void> {
    const { clusterId, config, classPath, scram, loggingConfig } = this.#options;
    const args = [
      'format',
      // An id may begin with a dash.
      `--cluster-id=${clusterId}`,
      '--config',
      config,
      ...scram.flatMap((s) => ['--add-scram', s]),
    ];
    const tool = [
      '-cp',
      classPath,
      `-Dlog4j2.configurationFile=${loggingConfig}`,
      'kafka.tools.StorageTool',
      ...args,
    ];
    await promisify(execFile)('java', tool).catch((error) => {
      if (error.code === 'ENOENT')
        throw new StartupError(
          'java is missing: install Java 17 or newer, or name a cluster by KAFKA_BROKERS',
        );
      throw new Error(`cannot format a broker's folder: ${error.stdout}${error.stderr}`);
    });
  }

  /** Resolves when it serves, as a member of the cluster. */
  async start(): Promise<void> {
    const { classPath, config, loggingConfig, logFile } = this.#options;
    const system = [`-Dlog4j2.configurationFile=${loggingConfig}`, `-Dkafka.log.file=${logFile}`];
    const java = [...HEAP, ...system, '-cp', classPath, 'kafka.Kafka', config];
    const keeper = spawn('sh', ['-c', KEEPER, 'sh', ...java], {
      stdio: ['pipe', 'pipe', 'ignore'],
      // In a group of its own: Ctrl-C in a terminal goes to all of ours, and would end the keeper before it ends Java.
      detached: true,
    });
    keeper.stdin.on('error', () => {});
    this.#keeper = keeper;
    for await (const line of createInterface({ input: keeper.stdout })) {
      this.#pid = Number(line);
      break;
    }
    const deadline = performance.now() + START_MS_MAX;
    while (!(await this.#isMember())) {
      if (performance.now() > deadline)
        throw new Error(`broker ${this.id} does not serve after ${START_MS_MAX / 1000} s: ${logFile}`);
      await delay(LOOK_MS);
    }
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end('KILL');
  }

  /** Asks it to stop, and waits until it has. */
  async stop(): Promise<void> {
    await this.#end('TERM');
  }

  /** While it does not run: loses all its data. */
  async wipe(): Promise<void> {
    await rm(this.#options.dataDir, { recursive: true, force: true });
    await this.format();
  }

  async #end(signal: 'KILL' | 'TERM'): Promise<void> {
    const keeper = this.#keeper;
    this.#keeper = undefined;
    this.#pid = undefined;
    if (!keeper || keeper.exitCode !== null || keeper.signalCode !== null) return;
    const ended = once(keeper, 'exit');
    keeper.stdin!.end(`${signal}\n`);
    await ended;
  }

  async #isMember(): Promise<boolean> {
    const admin = new Admin({
      clientId: 'cluster',
      bootstrapBrokers: [this.address],
      retries: 0,
      timeout: 2000,
    });
    try {
      return (await admin.metadata({ topics: [] })).brokers.has(this.id);
    } catch {
      return false;
    } finally {
      await admin.close().catch(() => {});
    }
  }
}
