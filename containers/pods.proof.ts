/** What the chart renders by default, run: two pods of each service and their PostgreSQL, started all at once. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { run } from './command.ts';
import { Helm, type Manifest } from './helm.ts';
import { Pods } from './pods.ts';
import { ROOT } from './stack.ts';

let helm: Helm;
let folder: string;
let pods: Pods;
let objects: Manifest[];

beforeAll(async () => {
  const env = inject('engine');
  await run('docker', ['build', '--tag', 'stream-processing:latest', '.'], { env, cwd: ROOT });
  helm = await Helm.install();
  objects = await helm.objects(4);
  folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-pods-'));
  pods = new Pods(env, objects, folder);
  await pods.start();
}, 600_000);

afterAll(async () => {
  await pods?.remove();
  await helm?.remove();
  if (folder) await rm(folder, { recursive: true, force: true });
}, 300_000);

test('all pods become ready, started together: services before their database, replicas with the same migrations', async () => {
  expect(pods.names).toHaveLength(4 * 2 + 1);
  await pods.ready();
  const logs = await Promise.all(pods.names.map((name) => pods.logs(name)));
  expect(logs.join('\n')).toContain('waiting for the database');
});

test('helm test passes', async () => {
  const [pod] = objects.filter((object) => object.kind === 'Pod');
  expect(await pods.run(pod)).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/the scenario passed\n$/),
  });
});

test('every pod stops in time, with exit code 0', async () => {
  const isDatabase = (name: string) => name.includes('-postgres-');
  const services = pods.names.filter((name) => !isDatabase(name));
  const codes = await Promise.all(services.map(async (name) => [name, await pods.stop(name)]));
  expect(codes).toEqual(services.map((name) => [name, 0]));
  expect(await pods.stop(pods.names.find(isDatabase)!)).toBe(0);
});
