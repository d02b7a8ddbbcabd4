/**
 * The engine for the proofs: the one that this user has, with the official images; where there is none (and for root on
 * Debian), one of our own in a temporary folder, with stand-ins. Everything of it is gone at the end.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { TestProject } from 'vitest/node';
import { until } from '../test/until.ts';
import { install, outcome } from './command.ts';
import { keepPacketFilter } from './packet-filter.ts';
import { buildStandIns } from './stand-ins.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** The environment in which `docker` finds the engine. */
    engine: Record<string, string>;
    /** `docker compose` or `docker-compose`. */
    compose: string[];
  }
}

const START_MS_MAX = 60_000;
const DOCKER = {
  dockerd: 'docker.io',
  'docker-compose': 'docker-compose',
  mmdebstrap: 'mmdebstrap',
  iptables: 'iptables',
  // It brings Kafka.
  mvn: 'maven',
  java: 'default-jre-headless',
};

export default async function setup(project: TestProject) {
  const given = await outcome('docker', ['info']);
  if (given.code === 0) {
    const plugin = await outcome('docker', ['compose', 'version']);
    project.provide('engine', {});
    project.provide('compose', plugin.code === 0 ? ['docker', 'compose'] : ['docker-compose']);
    return;
  }
  if (process.getuid?.() !== 0)
    throw new Error(`no container engine answers, and only root can start one:\n${given.stderr}`);
  await install(DOCKER);
  const scratch = await mkdtemp(path.join(tmpdir(), 'stream-processing-engine-'));
  const engine = {
    DOCKER_HOST: `unix://${scratch}/docker.sock`,
    // Debian's client: some other program of this name may come first.
    PATH: `/usr/bin:${process.env.PATH}`,
    DOCKER_BUILDKIT: '1',
    COMPOSE_DOCKER_CLI_BUILD: '1',
    DOCKER_CONFIG: scratch,
  };
  process.env.PATH = engine.PATH;
  const restorePacketFilter = await keepPacketFilter(scratch);
  const daemon = await startEngine(scratch, engine);
  const stop = async () => {
    await stopEngine(daemon);
    await restorePacketFilter();
    await rm(scratch, { recursive: true, force: true });
  };
  try {
    await buildStandIns(scratch, engine);
  } catch (error) {
    await stop();
    throw error;
  }
  project.provide('engine', engine);
  project.provide('compose', ['docker-compose']);
  return stop;
}

async function startEngine(scratch: string, env: Record<string, string>): Promise<ChildProcess> {
  const log = path.join(scratch, 'dockerd.log');
  const file = await open(log, 'w');
  const at = (name: string) => path.join(scratch, name);
  const args = [
    '--host',
    env.DOCKER_HOST!,
    '--data-root',
    at('data'),
    '--exec-root',
    at('exec'),
    '--pidfile',
    at('pid'),
  ];
  const daemon = spawn('dockerd', args, { stdio: ['ignore', file.fd, file.fd], detached: true });
  await file.close();
  const answers = async () => (await outcome('docker', ['info'], { env })).code === 0;
  await until(
    'dockerd answers',
    async () => daemon.exitCode !== null || (await answers()),
    START_MS_MAX,
    300,
  );
  if (daemon.exitCode !== null) throw new Error(`dockerd ended:\n${await readFile(log, 'utf8')}`);
  return daemon;
}

async function stopEngine(daemon: ChildProcess): Promise<void> {
  const ended = once(daemon, 'exit');
  daemon.kill('SIGTERM');
  await ended;
  await outcome('ip', ['link', 'delete', 'docker0']);
}
