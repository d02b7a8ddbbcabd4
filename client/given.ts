/** What the client's tests begin with. */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { onTestFinished } from 'vitest';
import { shareInstallation } from '../test/shared-installation.ts';
import { type ClientOptions, createClient } from './index.ts';

/** Services of the file's own, and clients of them. */
export function givenServices() {
  const shared = shareInstallation();
  const clientOf = (options: ClientOptions = {}) => {
    const { urls } = shared;
    const baseUrl = {
      users: urls['user-service'],
      accounts: urls['billing-service'],
      notifications: urls['notification-service'],
      orders: urls['order-service'],
    };
    return createClient({ baseUrl, ...options });
  };
  return { shared, clientOf };
}

export const newUser = () => ({ email: `${randomUUID()}@example.org`, name: 'Anna', locale: 'en' as const });

/** The keys of the attempts, and a fetch that lets `happen` decide what becomes of each. */
export function watched(
  happen: (request: Request, attempt: number, init?: RequestInit) => Promise<Response>,
) {
  const keys: (string | null)[] = [];
  const watchedFetch: typeof fetch = (input, init) => {
    const request = input as Request;
    keys.push(request.headers.get('idempotency-key'));
    return happen(request, keys.length, init);
  };
  return { keys, fetch: watchedFetch };
}

export const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ type: `urn:problem:${code}`, title: 'No', status, detail: 'No.', code }), {
    status,
    headers: { 'content-type': 'application/problem+json', ...headers },
  });

export async function listen(listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
