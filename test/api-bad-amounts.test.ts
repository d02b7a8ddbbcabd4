import type { ServiceName } from '@stream-processing/contracts/names.ts';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { expectProblem } from './replies.ts';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();
let user_id: number;

beforeAll(async () => {
  user_id = await shared.api.userWith(100);
});

// Whatever was sent, it changed nothing.
afterEach(async () => {
  const { api } = shared;
  expect((await api.account(user_id)).body).toEqual({ user_id, balance: 100 });
  expect(await api.all('billing-service', `/accounts/${user_id}/transfers`)).toHaveLength(1);
  expect(await api.all('order-service', `/orders?user_id=${user_id}`)).toEqual([]);
});

interface MoneyRoute {
  service: ServiceName;
  path: () => string;
  field: string;
  /** The other fields of the body, as JSON. */
  rest: () => string[];
}

const MONEY_ROUTES: [string, MoneyRoute][] = [
  [
    'deposit',
    {
      service: 'billing-service',
      path: () => `/accounts/${user_id}/deposit`,
      field: 'amount',
      rest: () => [],
    },
  ],
  [
    'withdrawal',
    {
      service: 'billing-service',
      path: () => `/accounts/${user_id}/withdraw`,
      field: 'amount',
      rest: () => [],
    },
  ],
  [
    'order',
    { service: 'order-service', path: () => '/orders', field: 'price', rest: () => [`"user_id":${user_id}`] },
  ],
];

const NOT_AMOUNTS = [
  '0',
  '0.00',
  '0e5',
  '-1',
  '-0',
  '-0.01',
  '0.30000000000000004',
  '0.001',
  '10.005',
  '1e-3',
  '1e400',
  '-1e400',
  '1e-400',
  '1e21',
  '9007199254740993',
  '90000000000000.01',
  '90000000000001',
  '0.1000000000000000055',
  '"10"',
  '""',
  'true',
  'null',
  '[10]',
  '{}',
  '{"amount":10}',
];

const NOT_JSON = ['01', '.5', '5.', '+1', '0x10', '1_000', 'NaN', 'Infinity', '1e', '1,5', "'10'", '--1'];

describe.each(MONEY_ROUTES)('%s', (_name, { service, path, field, rest }) => {
  const send = (...fields: string[]) =>
    shared.api.call(service, 'POST', path(), {
      headers: { 'content-type': 'application/json' },
      body: `{${[...rest(), ...fields].join(',')}}`,
    });

  test.each(NOT_AMOUNTS)('of %s is refused', async (amount) => {
    expectProblem(await send(`"${field}":${amount}`), 'invalid_body', [`/${field}`]);
  });

  test.each(NOT_JSON)('of %s is not even JSON', async (amount) => {
    expectProblem(await send(`"${field}":${amount}`), 'malformed_json');
  });

  test('of nothing is refused', async () => {
    expectProblem(await send(), 'invalid_body', [`/${field}`]);
  });

  test.each(['surprise', '__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 'Amount', 'currency'])(
    'with the unknown field "%s" is refused',
    async (name) => {
      expectProblem(await send(`"${field}":1`, `"${name}":1`), 'invalid_body', [`/${name}`]);
    },
  );

  test('with an unknown field that a pointer must escape is refused', async () => {
    expectProblem(await send(`"${field}":1`, '"a/b~c":1'), 'invalid_body', ['/a~1b~0c']);
  });

  test('does not take its fields from __proto__', async () => {
    expectProblem(await send(`"__proto__":{"${field}":1}`), 'invalid_body', [`/${field}`, '/__proto__']);
  });
});
