/** The Compose file as a user runs it, in a project of its own. */
import path from 'node:path';
import { inject } from 'vitest';
import { until } from '../test/until.ts';
import { outcome, type Result, run } from './command.ts';

export const ROOT = path.join(import.meta.dirname, '..');
const PROJECT = 'stream-processing-proof';
const START_MS_MAX = 180_000;
/** Each look starts a program or two, which must not be the load that it looks through. */
export const POLL_MS = 300;

export interface ContainerState {
  id: string;
  status: string;
  health: string | undefined;
  pid: number;
  exitCode: number;
  restarts: number;
}

interface Options {
  /** Of the Compose file, switched on. */
  profiles?: string[];
  /** What the Compose file takes from the environment. */
  settings?: Record<string, string>;
}

export class Stack {
  readonly #env: Record<string, string>;
  readonly #profiles: string[];

  constructor({ profiles = [], settings = {} }: Options = {}) {
    this.#env = { ...inject('engine'), ...settings };
    this.#profiles = profiles.flatMap((profile) => ['--profile', profile]);
  }

  docker(...args: string[]): Promise<Result> {
    return outcome('docker', args, { env: this.#env });
  }

  async compose(...args: string[]): Promise<string> {
    const [command, ...first] = inject('compose');
    const all = [...first, '--project-name', PROJECT, ...this.#profiles, ...args];
    return run(command!, all, { env: this.#env, cwd: ROOT });
  }

  /** `docker compose up --build`, until everything is healthy. */
  async up(): Promise<void> {
    await this.compose('up', '--build', '--detach');
    await this.healthy('gateway');
  }

  async healthy(service: string): Promise<void> {
    const seen: { state?: ContainerState } = {};
    const isHealthy = async () => {
      seen.state = await this.state(service);
      return seen.state.health === 'healthy';
    };
    await until(`${service} is healthy`, isHealthy, START_MS_MAX, POLL_MS).catch(async (error) => {
      throw new Error(`${error.message}: ${JSON.stringify(seen.state)}\n${await this.logs(service)}`);
    });
  }

  /** The names of all services that have a container. */
  async services(): Promise<string[]> {
    const format = '{{.Label "com.docker.compose.service"}}';
    const { stdout } = await this.docker('ps', '--all', ...filtersFor(), '--format', format);
    return stdout.split('\n').filter(Boolean).sort();
  }

  async state(service: string): Promise<ContainerState> {
    const id = (await this.docker('ps', '--all', '--quiet', ...filtersFor(service))).stdout.trim();
    const { stdout } = await this.docker('inspect', id);
    const [{ State: state, RestartCount: restarts }] = JSON.parse(stdout);
    const { Status: status, Health: health, Pid: pid, ExitCode: exitCode } = state;
    return { id, status, health: health?.Status, pid, exitCode, restarts };
  }

  logs(service: string): Promise<string> {
    return this.compose('logs', '--no-color', service);
  }

  /** A command in the service's container, as its own user. */
  async exec(service: string, ...command: string[]): Promise<Result> {
    return this.docker('exec', (await this.state(service)).id, ...command);
  }

  /** SIGKILL from outside to the first process, as the kernel sends it when memory runs out: the engine takes it for a crash. */
  crash(service: string): Promise<void> {
    return this.signal(service, 'KILL');
  }

  /** From outside, to the first process. */
  async signal(service: string, name: 'KILL' | 'STOP' | 'CONT'): Promise<void> {
    const { pid } = await this.state(service);
    const args = ['run', '--rm', '--pid=host', '--user=0', '--entrypoint=bash', 'stream-processing:latest'];
    const { code, stderr } = await this.docker(...args, '-c', `kill -${name} ${pid}`);
    if (code !== 0) throw new Error(stderr);
  }
}

function filtersFor(service?: string): string[] {
  const labels = [`project=${PROJECT}`, ...(service ? [`service=${service}`] : [])];
  return labels.flatMap((label) => ['--filter', `label=com.docker.compose.${label}`]);
}
