import { METHODS } from 'node:http';
import type { Random } from '../random.ts';
import type { Operation } from './documents.ts';
import type { Request } from './request.ts';

/** What every service has beside its own operations, and its documents do not describe. */
const OPERATIONAL = [
  '/health/live',
  '/health/ready',
  '/metrics',
  '/openapi.json',
  '/docs',
  '/docs/json',
  '/docs/yaml',
  '/',
];
const NOWHERE = [
  '/nothing',
  '/USERS',
  '/Accounts',
  '/orders/1/2/3',
  '/users/1/',
  '//',
  '/health',
  '/health/',
  '/.env',
  '/.git/config',
  '/admin',
  '/wp-login.php',
  '/__proto__',
  '/constructor',
  '/toString',
  '/*',
  '/%2e%2e/%2e%2e/etc/passwd',
  '/../../etc/passwd',
  '/..%5c..%5cwindows%5cwin.ini',
  '/docs/static/../../package.json',
  '/docs/static/%2e%2e/%2e%2e/package.json',
  '/docs/static/..%2f..%2f..%2fpackage.json',
  '/docs/static/..%5c..%5cpackage.json',
  '/docs/static//etc/passwd',
  '/docs/static/%00',
  '/%',
  '/%00',
  '/%ff',
  `/${'x'.repeat(7000)}`,
  `${'/x'.repeat(3000)}`,
];
const UNKNOWN_METHODS = ['BREW', 'GETS', 'X', 'HTTP'];
/** That one asks for a tunnel and has no path. */
const PLAIN_METHODS = METHODS.filter((method) => method !== 'CONNECT');

/** So many requests to a service with methods and paths that it does not have, and some that it has without saying so. */
export function elsewhere(operations: Operation[], count: number, random: Random): Request[] {
  const known = new Map<string, string[]>(OPERATIONAL.map((path) => [path, ['GET', 'HEAD']]));
  for (const { path, method } of operations) {
    const place = path.replace(/\{\w+\}/g, '1');
    known.set(place, [...(known.get(place) ?? []), method, ...(method === 'GET' ? ['HEAD'] : [])]);
  }
  return Array.from({ length: count }, (_, i) => {
    const request: Request = {
      kind: 'hostile',
      what: 'a method and a path',
      method: random.pick(i % 3 === 0 ? ['GET', 'POST', 'HEAD'] : PLAIN_METHODS),
      target: random.pick(NOWHERE),
      headers: [],
      body: random.chance(0.3)
        ? Buffer.from(random.pick(['{}', '{"half', 'x'.repeat(70_000), '']))
        : undefined,
      expect: { is: 'refused', codes: ['route_not_found', 'invalid_request', 'method_not_allowed'] },
      stray: true,
    };
    if (random.chance(0.05)) {
      return {
        ...request,
        method: random.pick(UNKNOWN_METHODS),
        expect: { is: 'refused', codes: ['invalid_request'] },
      };
    }
    if (random.chance(0.5)) return request;
    const [place, methods] = random.pick([...known]);
    return {
      ...request,
      target: place,
      expect: methods.includes(request.method)
        ? { is: 'open' }
        : { is: 'refused', codes: ['method_not_allowed'] },
    };
  });
}
