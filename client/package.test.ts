/** The package as others get it: packed, installed elsewhere, and run and compiled there. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { shareInstallation } from '../test/shared-installation.ts';

/** 5 s of work for npm and tsc, on a machine that may do much else. */
const PACKED_MS_MAX = 300_000;

const run = promisify(execFile);
const root = path.dirname(import.meta.dirname);
const shared = shareInstallation();
let folder: string;
let files: string[];

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'stream-processing-client-'));
  const packed = await run('npm', ['pack', '-w', 'client', '--json', '--pack-destination', folder], {
    cwd: root,
  });
  const report = JSON.parse(packed.stdout.slice(packed.stdout.search(/^[[{]/m)));
  const [{ filename, files: contents }] = (Array.isArray(report) ? report : Object.values(report)) as [
    { filename: string; files: { path: string }[] },
  ];
  files = contents.map((file) => file.path);
  await writeFile(path.join(folder, 'package.json'), '{"name":"shop","private":true,"type":"module"}');
  // Its dependencies from here: a test must not need the network.
  const dependencies = ['openapi-fetch', 'openapi-typescript-helpers'];
  const own = dependencies.map((name) => path.join(root, 'node_modules', name));
  // An empty cache, so that it cannot be found there either.
  const offline = ['--offline', '--cache', path.join(folder, 'cache'), '--no-audit', '--install-links'];
  await run('npm', ['install', ...offline, `./${filename}`, ...own], { cwd: folder });
}, PACKED_MS_MAX);
afterAll(() => rm(folder, { recursive: true, force: true }));

test('it has JavaScript, types and a README, and nothing else', () => {
  expect(files).toEqual(
    expect.arrayContaining(['README.md', 'package.json', 'dist/index.js', 'dist/index.d.ts']),
  );
  expect(files.filter((file) => !/^(README\.md|package\.json|dist\/\w+\.(js|d\.ts))$/.test(file))).toEqual(
    [],
  );
});

test('the example of its README prints what the README says, against running services', async () => {
  const readme = await readFile(path.join(import.meta.dirname, 'README.md'), 'utf8');
  const [, example] = /^```js\n(.*?)^```$/ms.exec(readme)!;
  const [, output] = /^```\n\n```\n(.*?)^```$/ms.exec(readme)!;
  const [users, accounts, notifications, orders] = [
    shared.urls['user-service'],
    shared.urls['billing-service'],
    shared.urls['notification-service'],
    shared.urls['order-service'],
  ];
  const here = JSON.stringify({ baseUrl: { users, accounts, notifications, orders } });
  expect(example).toContain('createClient();');
  await writeFile(
    path.join(folder, 'example.js'),
    example!.replace('createClient();', `createClient(${here});`),
  );
  const { stdout } = await run(process.execPath, ['--no-experimental-strip-types', 'example.js'], {
    cwd: folder,
  });
  expect(stdout).toBe(output);
});

test(
  'its types say what there is, and refuse what there is not',
  async () => {
    const options = {
      target: 'es2023',
      module: 'nodenext',
      strict: true,
      noEmit: true,
      lib: ['es2023', 'dom'],
    };
    await writeFile(
      path.join(folder, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: options, include: ['shop.ts'] }),
    );
    await writeFile(
      path.join(folder, 'shop.ts'),
      `import { createClient, type FinalOrder, ProblemError } from '@stream-processing/client';
const client = createClient({ baseUrl: 'https://shop.example' });
const order: FinalOrder = await client.orders.place({ user_id: 1, price: 2.5 }, { wait: 1 });
export const words: string = order.message;
for await (const letter of client.notifications.list({ user_id: 1, limit: 10 })) words.concat(letter.body);
export const code: string | undefined = new Error() instanceof ProblemError ? new Error().message : undefined;
// @ts-expect-error: a price is a number
await client.orders.place({ user_id: 1, price: '2.5' });
// @ts-expect-error: whose?
client.notifications.list({});
// @ts-expect-error: an order that is decided is not pending
order.status === 'pending';
`,
    );
    const tsc = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
    await run(process.execPath, [tsc, '-p', '.'], { cwd: folder }).catch((error) => {
      expect.fail(error.stdout);
    });
  },
  PACKED_MS_MAX,
);
