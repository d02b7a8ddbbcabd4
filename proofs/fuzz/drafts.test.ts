import { expect, test } from 'vitest';
import { shareInstallation } from '../../test/shared-installation.ts';
import { readDocuments } from './documents.ts';
import { drafts } from './drafts.ts';
import { fuzz } from './fuzz.ts';
import { Known } from './known.ts';
import type { Request } from './request.ts';

const shared = shareInstallation();
const REQUESTS = 500;
const SEED = 7;

/** Some ids and an order that was answered, as after the first replies. */
function knownAfterAWhile(): Known {
  const known = new Known();
  for (let id = 1; id <= 5; id += 1) {
    known.learn('/users', { id, email: `${id}@example.org` });
    known.learn('/orders/{id}', { id: id + 10, user_id: id });
  }
  return known;
}

async function requestsTo(name: string, seed: number): Promise<Request[]> {
  const operations = await readDocuments(shared.urls);
  const operation = operations.find((each) => each.name === name)!;
  const known = knownAfterAWhile();
  const reply = { status: 201, headers: {}, body: Buffer.from('{}') };
  const content = { user_id: 3, price: 5, amount: 5, email: 'a@example.org', name: 'Anna' };
  known.remember(name, { target: operation.path, headers: [['idempotency-key', 'k']], content, reply });
  return drafts(operation, REQUESTS, seed).map((draft) => draft(known));
}

const NAMES = [
  'POST /users',
  'POST /accounts/{user_id}/deposit',
  'POST /orders',
  'GET /notifications',
  'GET /orders/{id}',
];

test.each(NAMES)('the same seed makes the same requests to %s, and another one others', async (name) => {
  const first = await requestsTo(name, SEED);
  expect(await requestsTo(name, SEED)).toEqual(first);
  expect(await requestsTo(name, SEED + 1)).not.toEqual(first);
});

test.each(NAMES)(
  '500 requests to %s are of all kinds, with what is known, and each hostility among them',
  async (name) => {
    const requests = await requestsTo(name, SEED);
    const of = (kind: string) => requests.filter((request) => request.kind === kind);
    for (const kind of ['valid', 'nearly valid', 'hostile'])
      expect(of(kind).length).toBeGreaterThanOrEqual(140);
    expect(of('valid').every(({ expect }) => ['taken', 'again'].includes(expect.is))).toBe(true);
    const refused = of('nearly valid').filter(({ expect }) => expect.is === 'refused').length;
    expect(refused / of('nearly valid').length).toBeGreaterThan(0.6);
    const told = new Set(requests.map(({ what }) => what));
    const hostile = ['the target …%00', 'the target …/../..', '?surprise=1', '100 headers'];
    const deep = ['arrays in arrays, 10,000 deep', 'each field twice', 'bytes that are not UTF-8', 'again'];
    for (const what of [...hostile, ...(name.startsWith('POST') ? deep : [])]) expect(told).toContain(what);
  },
);

test('orders are mostly placed by users who are known, some by an order, and some by nobody', async () => {
  const orders = (await requestsTo('POST /orders', SEED)).filter(({ what }) => what === 'as described');
  const ids = orders.map(({ content }) => (content as { user_id: number }).user_id);
  const share = (holds: (id: number) => boolean) => ids.filter(holds).length / ids.length;
  expect(share((id) => id <= 5)).toBeGreaterThan(0.6);
  expect(share((id) => id > 10 && id <= 15)).toBeGreaterThan(0.01);
  expect(share((id) => id > 15)).toBeGreaterThan(0.01);
});

test('the services themselves give no cause for a finding', async () => {
  const signal = AbortSignal.timeout(50_000);
  const tallies = await fuzz(shared.urls, {
    requests: 50,
    seed: SEED,
    operation: '/',
    signal,
    progress: () => {},
  });
  expect(tallies).toHaveLength(14);
  for (const { name, sent, served, findings } of tallies) {
    expect({ name, sent, served, findings }).toEqual({ name, sent: 50, served: true, findings: [] });
  }
});
