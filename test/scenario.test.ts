import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { promisify } from 'node:util';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { expect, onTestFinished, test } from 'vitest';
import collection from '../postman/stream-processing.postman_collection.json' with { type: 'json' };
import { createDatabase } from './database.ts';
import { startInstallation } from './installation.ts';
import { logSettings, run } from './processes.ts';

const COLLECTION = 'postman/stream-processing.postman_collection.json';
const NEWMAN = 'node_modules/newman/bin/newman.js';

test('npm run scenario starts everything, passes the collection, and stops', async () => {
  const scenario = run('postman/scenario.ts', logSettings(`scenario-${randomUUID()}`));
  // Asked, not killed: it has PostgreSQL and four services to take along.
  onTestFinished(async () => {
    scenario.child.kill('SIGTERM');
    await scenario.ended;
  });
  expect(await scenario.ended, scenario.output()).toBe(0);
  expect(assertionsIn(scenario.output())).toEqual({ executed: assertionsOfCollection(), failed: 0 });
});

test('the collection passes through one origin too, with nothing set but baseUrl', async () => {
  const installation = await startInstallation(await createDatabase());
  onTestFinished(() => installation.stop());
  const origin = await startOrigin(installation.urls);
  onTestFinished(() => void origin.close());
  const { port } = origin.address() as AddressInfo;
  const args = [NEWMAN, 'run', COLLECTION, '--env-var', `baseUrl=http://127.0.0.1:${port}`];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(assertionsIn(stdout)).toEqual({ executed: assertionsOfCollection(), failed: 0 });
});

/** One line of a script per assertion; the collection's own script runs after every request. */
function assertionsOfCollection(): number {
  const requests = collection.item.flatMap((folder) => folder.item);
  const own = requests.map((request) => assertionsOf(request.event));
  expect(Math.min(...own), 'every request asserts something').toBeGreaterThan(0);
  return own.reduce((sum, n) => sum + n, 0) + requests.length * assertionsOf(collection.event);
}

function assertionsOf(events: { listen: string; script: { exec: string[] } }[]): number {
  const lines = events.filter((event) => event.listen === 'test').flatMap((event) => event.script.exec);
  return lines.filter((line) => line.startsWith('pm.test(')).length;
}

/** The row `assertions` of newman's last table. */
function assertionsIn(output: string) {
  const row = /│\s+assertions │\s+(\d+) │\s+(\d+) │/.exec(output);
  expect(row, output).not.toBeNull();
  return { executed: Number(row![1]), failed: Number(row![2]) };
}

/** One address for the four services, as a gateway gives them: the first segment of the path says which. */
async function startOrigin(urls: Record<ServiceName, string>): Promise<Server> {
  const serviceOf: Record<string, ServiceName> = {
    users: 'user-service',
    accounts: 'billing-service',
    notifications: 'notification-service',
    orders: 'order-service',
  };
  const server = createServer((request, response) => {
    const service = serviceOf[request.url!.split(/[/?]/)[1]!]!;
    const { method, headers } = request;
    const passed = httpRequest(`${urls[service]}${request.url}`, { method, headers }, (reply) => {
      response.writeHead(reply.statusCode!, reply.headers);
      reply.pipe(response);
    });
    request.pipe(passed);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}
