import { randomUUID } from 'node:crypto';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { describe, expect, test } from 'vitest';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();
const FOLLOWS: Record<ServiceName, ServiceName[]> = {
  'user-service': [],
  'billing-service': ['user-service', 'order-service'],
  'notification-service': ['user-service', 'billing-service'],
  'order-service': ['user-service', 'billing-service'],
};

/** The samples of one metric: their labels, and the value. */
async function samples(service: ServiceName, name: string) {
  const { body } = await shared.api.get<string>(service, '/metrics');
  const lines = body.split('\n').filter((line) => line.startsWith(`${name}{`));
  return lines.map((line) => ({
    labels: Object.fromEntries(
      [...line.matchAll(/(\w+)="([^"]*)"/g)].map(([, label, value]) => [label, value]),
    ),
    value: Number(line.split(' ').at(-1)),
  }));
}

describe.each(SERVICES)('%s', (service) => {
  test('is live and ready', async () => {
    expect((await shared.api.get(service, '/health/live')).body).toEqual({ status: 'live' });
    expect((await shared.api.get(service, '/health/ready')).body).toEqual({ status: 'ready' });
  });

  test('counts its requests by route, method and status', async () => {
    await shared.api.get(service, '/no/such/route');
    await shared.api.get(service, '/health/live');
    for (const [route, status] of [
      ['unknown', '404'],
      ['/health/live', '200'],
    ]) {
      await expect
        .poll(() => samples(service, 'http_request_duration_seconds_count'), {
          timeout: 5000,
          message: `the request of ${route} is counted`,
        })
        .toContainEqual({ labels: { route, method: 'GET', status, service }, value: expect.any(Number) });
    }
  });

  test('tells what it does in the format of Prometheus', async () => {
    const { body, headers } = await shared.api.get<string>(service, '/metrics');
    expect(headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    const names = [...body.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name);
    expect(names).toEqual(
      expect.arrayContaining([
        'http_request_duration_seconds',
        'pipeline_batch_commands',
        'pipeline_transaction_seconds',
        'pipeline_queue_commands',
        'processor_lag_events',
        'process_cpu_seconds_total',
        ...(service === 'order-service' ? ['order_waiters'] : []),
      ]),
    );
  });

  test('tells its lag behind every partition of every log that it follows', async () => {
    await shared.api.order(await shared.api.userWith(1), 1);
    const expected = FOLLOWS[service].flatMap((source) =>
      Array.from({ length: 16 }, (_, partition) => ({
        labels: { source, partition: String(partition), service },
        value: 0,
      })),
    );
    await expect
      .poll(() => samples(service, 'processor_lag_events'), {
        timeout: 10_000,
        message: 'every partition is caught up',
      })
      .toEqual(expected);
  });

  test('shows its documents as a page for people', async () => {
    const { status, headers, body } = await shared.api.get<string>(service, '/docs');
    expect(status).toBe(200);
    expect(headers.get('content-type')).toMatch(/^text\/html/);
    expect(body).toContain('swagger-ui');
    expect((await shared.api.get(service, '/docs/json')).body).toEqual(
      (await shared.api.get(service, '/openapi.json')).body,
    );
  });

  test('gives a request without a trace an id of its own, on refusals too', async () => {
    const ids = await Promise.all(
      ['/health/live', '/nothing', '/metrics'].map(async (path) => {
        const { headers } = await shared.api.get(service, path);
        return headers.get('x-request-id');
      }),
    );
    for (const id of ids) expect(id).toMatch(/^[0-9a-f]{32}$/);
    expect(new Set(ids).size).toBe(ids.length);
  });
});

test("a caller's trace is the request id, and goes with all events that the request sets off", async () => {
  const { api, sql } = shared;
  const trace = randomUUID().replaceAll('-', '');
  const traceparent = `00-${trace}-00f067aa0ba902b7-01`;
  const user = await api.post(
    'user-service',
    '/users',
    { email: `${trace}@example.org`, name: 'Anna' },
    { traceparent },
  );
  await api.deposit(user.body.id, 5);
  const paid = await api.order(user.body.id, 3, { traceparent });
  const declined = await api.order(user.body.id, 3, { traceparent });
  for (const reply of [user, paid, declined]) expect(reply.headers.get('x-request-id')).toBe(trace);
  const traced = await sql`
    select type, trace from user_service.log where trace like ${`%${trace}%`}
    union all select type, trace from order_service.log where trace like ${`%${trace}%`}
    union all select type, trace from billing_service.log where trace like ${`%${trace}%`}`;
  expect(traced.map((event) => event.type).sort()).toEqual([
    'OrderPlaced',
    'OrderPlaced',
    'PaymentCompleted',
    'PaymentDeclined',
    'UserCreated',
  ]);
  for (const event of traced) expect(event.trace).toMatch(new RegExp(`^00-${trace}-[0-9a-f]{16}-01$`));
});

test.each(SERVICES)(
  '%s has its documents under its own name too, for one address of all services',
  async (service) => {
    const get = (route: string) => shared.api.get<string>(service, route);
    const page = await get(`/${service}/docs`);
    expect(page.status).toBe(200);
    const assets = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, asset]) => asset!);
    expect(assets.length).toBeGreaterThan(4);
    for (const asset of assets) {
      expect(asset).toMatch(`/${service}/docs/static/`);
      expect({ asset, status: (await get(asset)).status }).toEqual({ asset, status: 200 });
    }
    // The page looks for the document beside itself.
    const document = await shared.api.get(service, `/${service}/docs/json`);
    expect(document.body).toMatchObject({ openapi: '3.1.0', info: { title: service } });
    expect((await shared.api.get(service, `/${service}/openapi.json`)).body).toEqual(document.body);
    for (const other of [`/${service}/metrics`, `/${service}/docsx`, '/x-service/docs']) {
      expect({ other, status: (await get(other)).status }).toEqual({ other, status: 404 });
    }
  },
);
