/**
 * `npm run scenario`: the whole product on free ports and on a PostgreSQL in a temporary folder, the Postman collection
 * against it, then everything stopped and removed. Ends with newman's exit code.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { settingOf } from '@stream-processing/runtime/config.ts';

type Urls = Record<ServiceName, string>;

const READY_MS_MAX = 60_000;
const ROOT = path.dirname(import.meta.dirname);
const COLLECTION = path.join(import.meta.dirname, 'stream-processing.postman_collection.json');
const NEWMAN = fileURLToPath(import.meta.resolve('newman/bin/newman.js'));

// Stopping twice is stopping once: a terminal's Ctrl-C arrives from the terminal and from run.mjs.
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupted.abort());

if (process.argv.includes('--help')) {
  console.log(`npm run scenario

Starts all services on free ports and a PostgreSQL in a temporary folder, runs the Postman collection against them, stops and removes
everything. The exit code is newman's.
`);
  process.exit(0);
}

process.exitCode = await runScenario(interrupted.signal);

async function runScenario(signal: AbortSignal): Promise<number> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'stream-processing-scenario-'));
  const product = startProduct(dataDir);
  try {
    return await runCollection(await ready(product, signal), signal);
  } catch (error) {
    console.error(signal.aborted ? 'stopped before the end' : (error as Error).message);
    return 1;
  } finally {
    await stop(product);
    await rm(dataDir, { recursive: true, force: true });
  }
}

function startProduct(dataDir: string): ChildProcess {
  const env: NodeJS.ProcessEnv = { LOG_LEVEL: 'warn', ...process.env, HOST: '127.0.0.1', DATA_DIR: dataDir };
  for (const service of SERVICES) {
    env[settingOf(service, 'PORT')] = '0';
    env[settingOf(service, 'DATABASE_URL')] = '';
  }
  return spawn(process.execPath, [path.join(ROOT, 'everything.ts')], {
    cwd: ROOT,
    env: { ...env, DATABASE_URL: '' },
    stdio: ['ignore', 'pipe', 'inherit'],
    // A process group of its own: Ctrl-C reaches only us, and the product is asked to stop once, after newman.
    detached: process.platform !== 'win32',
  });
}

/** The four URLs that the product prints before its line that ends in `ready`. */
async function ready(product: ChildProcess, signal: AbortSignal): Promise<Urls> {
  const urls: Partial<Urls> = {};
  const late = AbortSignal.timeout(READY_MS_MAX);
  const lines = createInterface({ input: product.stdout!, signal: AbortSignal.any([signal, late]) });
  for await (const line of lines) {
    const service = SERVICES.find((name) => line.startsWith(`${name} `));
    const url = /http:\/\/\S+/.exec(line)?.[0];
    if (service && url) urls[service] = url;
    if (!line.endsWith('ready')) continue;
    // Nobody reads further, yet a full pipe must not hold the product up.
    product.stdout!.resume();
    return urls as Urls;
  }
  throw new Error(
    late.aborted ? `not ready within ${READY_MS_MAX / 1000} s` : 'the product ended before it was ready',
  );
}

/** Newman's command line, in a process of its own: the library has no types, and its exit code is what counts. */
async function runCollection(urls: Urls, signal: AbortSignal): Promise<number> {
  const port = (service: ServiceName) => `:${new URL(urls[service]).port}`;
  const variables = [
    'baseUrl=http://127.0.0.1',
    `userPort=${port('user-service')}`,
    `billingPort=${port('billing-service')}`,
    `notificationPort=${port('notification-service')}`,
    `orderPort=${port('order-service')}`,
  ];
  const args = ['run', COLLECTION, '--reporters', 'cli', ...variables.flatMap((v) => ['--env-var', v])];
  // Newman's own libraries still use what Node deprecates.
  const child = spawn(process.execPath, ['--no-deprecation', NEWMAN, ...args], { stdio: 'inherit', signal });
  const [code] = await once(child, 'exit');
  return code ?? 1;
}

async function stop(product: ChildProcess): Promise<void> {
  if (product.exitCode !== null || product.signalCode !== null) return;
  const ended = once(product, 'exit');
  product.kill('SIGTERM');
  await ended;
}
