import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './replies.ts';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();
const COUNT = 7;
let user_id: number;

// One user with seven of everything, and six users more.
beforeAll(async () => {
  const { api } = shared;
  user_id = await api.userWith(0);
  for (let i = 1; i < COUNT; i += 1) await api.createUser();
  for (let i = 0; i < COUNT; i += 1) {
    if (i % 2 === 0) await api.deposit(user_id, 5);
    else await api.withdraw(user_id, 1);
    await api.order(user_id, 1000);
  }
});

interface ListRoute {
  service: ServiceName;
  path: () => string;
  key: 'id' | 'sequence';
}

const LISTS: [string, ListRoute][] = [
  ['users', { service: 'user-service', path: () => '/users?', key: 'id' }],
  [
    'transfers',
    { service: 'billing-service', path: () => `/accounts/${user_id}/transfers?`, key: 'sequence' },
  ],
  ['orders', { service: 'order-service', path: () => `/orders?user_id=${user_id}&`, key: 'id' }],
  [
    'notifications',
    { service: 'notification-service', path: () => `/notifications?user_id=${user_id}&`, key: 'id' },
  ],
];

describe.each(LISTS)('the list of %s', (_name, { service, path, key }) => {
  const get = (query: string) => shared.api.get(service, `${path()}${query}`);
  const keysOf = (reply: Awaited<ReturnType<typeof get>>): number[] => {
    expect(reply.status, JSON.stringify(reply.body)).toBe(200);
    return reply.body.items.map((item: Record<string, number>) => item[key]);
  };

  /** The keys, page by page; `next` names the cursor of the page before. */
  async function pages(query: string): Promise<number[][]> {
    const seen: number[][] = [];
    let next = '';
    do {
      const reply = await get(`${query}${next}`);
      seen.push(keysOf(reply));
      next = reply.body.next_cursor === null ? '' : `&cursor=${reply.body.next_cursor}`;
    } while (next);
    return seen;
  }

  test('is ascending by default, and descending on demand', async () => {
    const keys = keysOf(await get(''));
    expect(keys).toHaveLength(COUNT);
    expect(keys).toEqual(keys.toSorted((a, b) => a - b));
    expect(keysOf(await get('order=asc'))).toEqual(keys);
    expect(keysOf(await get('order=desc'))).toEqual(keys.toReversed());
  });

  test.each(['asc', 'desc'])(
    'comes page by page, order=%s, completely and without repetition',
    async (order) => {
      const all = keysOf(await get(`order=${order}`));
      const seen = await pages(`order=${order}&limit=3`);
      expect(seen.map((page) => page.length)).toEqual([3, 3, 1]);
      expect(seen.flat()).toEqual(all);
      expect((await pages(`order=${order}&limit=1`)).flat()).toEqual(all);
    },
  );

  test('ends with its last page, also when that is exactly full', async () => {
    expect((await get(`limit=${COUNT}`)).body.next_cursor).toBeNull();
    expect((await get(`limit=${COUNT - 1}`)).body.next_cursor).toEqual(expect.any(String));
    expect((await get('limit=1000')).body.next_cursor).toBeNull();
  });

  test('can be turned round at a cursor', async () => {
    const all = keysOf(await get(''));
    const { next_cursor } = (await get('limit=4')).body;
    expect(keysOf(await get(`cursor=${next_cursor}`))).toEqual(all.slice(4));
    expect(keysOf(await get(`cursor=${next_cursor}&order=desc`))).toEqual(all.slice(0, 3).toReversed());
  });

  test.each(['0', '1001', '-1', '1.5', '1e1', '01', '+1', 'x', '', '%201', '1%00', '99999999999999999999'])(
    'refuses limit=%s',
    async (limit) => {
      expectProblem(await get(`limit=${limit}`), 'invalid_parameter', ['limit']);
    },
  );

  test.each(['', 'x', '%00', 'MA', 'LTE', 'MS41', 'A'.repeat(65), 'OTk5OTk5OTk5OTk5OTk5OTk5OQ'])(
    'refuses cursor=%s',
    async (cursor) => {
      expectProblem(await get(`cursor=${cursor}`), 'invalid_parameter', ['cursor']);
      expectProblem(await get(`order=desc&cursor=${cursor}`), 'invalid_parameter', ['cursor']);
    },
  );

  test.each([
    ['order', 'order=up'],
    ['order', 'order=ASC'],
    ['order', 'order=asc&order=asc'],
    ['limit', 'limit=1&limit=2'],
    ['cursor', 'cursor=MQ&cursor=MQ'],
    ['offset', 'offset=3'],
    ['LIMIT', 'LIMIT=3'],
    ['limit[]', 'limit[]=3'],
    ['__proto__', '__proto__=3'],
    ['constructor', 'constructor=3'],
  ])('names the parameter %s in its refusal of ?%s', async (parameter, query) => {
    expectProblem(await get(query), 'invalid_parameter', [parameter]);
  });
});

test('a page holds 100 items unless it is asked for another number', async () => {
  const { api } = shared;
  const id = await api.userWith(0);
  await Promise.all(Array.from({ length: 101 }, () => api.deposit(id, 1)));
  const { body: first } = await api.get('billing-service', `/accounts/${id}/transfers`);
  expect(first.items).toHaveLength(100);
  const { body: second } = await api.get(
    'billing-service',
    `/accounts/${id}/transfers?cursor=${first.next_cursor}`,
  );
  expect(second).toMatchObject({ items: [{ sequence: 101, balance: 101 }], next_cursor: null });
});
