import { SERVICES } from '@stream-processing/contracts/names.ts';
import { describe, expect, test } from 'vitest';
import { expectProblem } from './replies.ts';
import { OPERATIONS, ROUTES } from './routes.ts';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();
/** Some of WebDAV and of caches, too, which no route of ours knows. */
const METHODS = [
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'PROPFIND',
  'LOCK',
  'PURGE',
  'QUERY',
];

/** Every path of a service, as called for the thing with this id, and the methods that it knows. */
function pathsOf(service: string, id: number | string = 1) {
  const routes = ROUTES.filter((route) => route.service === service).map(({ path, methods }) => ({
    path: path.replace(/\{\w+\}/, String(id)),
    known: METHODS.filter((method) => (method === 'HEAD' ? 'GET' : method) in methods),
  }));
  return [...routes, ...OPERATIONS.map((path) => ({ path, known: ['GET', 'HEAD'] }))];
}

describe.each(SERVICES)('%s', (service) => {
  test.each(pathsOf(service))('knows at $path no method but $known', async ({ path, known }) => {
    for (const method of METHODS.filter((each) => !known.includes(each) && each !== 'HEAD')) {
      const body = method === 'GET' ? {} : { body: '{"half' };
      const reply = await shared.api.call(service, method, path, body);
      expect(reply.headers.get('allow'), method).toBe(known.join(', '));
      expectProblem(reply, 'method_not_allowed');
    }
  });

  test('answers HEAD as GET, without the body', async () => {
    const user_id = await shared.api.userWith(1);
    const { body: order } = await shared.api.order(user_id, 1);
    for (const { path, known } of pathsOf(service, service === 'order-service' ? order.id : user_id)) {
      const url = `${shared.urls[service]}${path}${path === '/orders' || path === '/notifications' ? `?user_id=${user_id}` : ''}`;
      const head = await fetch(url, { method: 'HEAD' });
      expect(await head.text()).toBe('');
      expect(head.status, path).toBe(known.includes('HEAD') ? 200 : 405);
      if (path === '/metrics' || head.status === 405) continue;
      const get = await fetch(url);
      expect(head.headers.get('content-type')).toBe(get.headers.get('content-type'));
      expect(head.headers.get('content-length')).toBe(String((await get.bytes()).length));
    }
  });

  test('leads a person who opens its address to the documents', async () => {
    const reply = await shared.api.call(service, 'GET', '/', { redirect: 'manual' });
    expect([reply.status, reply.headers.get('location')]).toEqual([302, '/docs']);
  });

  test('knows no other route', async () => {
    for (const path of ['/nothing', '/Users', '/orders/1/2', '//users', '/health', '/health/']) {
      expectProblem(await shared.api.get(service, path), 'route_not_found');
    }
    expectProblem(await shared.api.post(service, '/nothing', {}), 'route_not_found');
  });
});
