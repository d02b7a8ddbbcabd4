import { randomUUID } from 'node:crypto';
import type { ServiceName } from '@stream-processing/contracts/names.ts';
import type { Notification } from '@stream-processing/contracts/notifications.ts';
import type { Order } from '@stream-processing/contracts/orders.ts';
import type { User } from '@stream-processing/contracts/users.ts';

export type Urls = Record<ServiceName, string>;

// biome-ignore lint/suspicious/noExplicitAny: the body is what the test says it is
type Any = any;

export type Reply<T = Any> = { status: number; body: T; headers: Headers };

/** A client as any HTTP library would be, for tests. */
export class Api {
  readonly urls: Urls;

  constructor(urls: Urls) {
    this.urls = urls;
  }

  async call<T>(
    service: ServiceName,
    method: string,
    path: string,
    init: RequestInit = {},
  ): Promise<Reply<T>> {
    const response = await fetch(`${this.urls[service]}${path}`, {
      method,
      signal: AbortSignal.timeout(30_000),
      ...init,
    });
    const text = await response.text();
    const isJson = /json/.test(response.headers.get('content-type') ?? '');
    return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
  }

  get<T = Any>(service: ServiceName, path: string): Promise<Reply<T>> {
    return this.call(service, 'GET', path);
  }

  post<T = Any>(service: ServiceName, path: string, body: unknown, headers: Record<string, string> = {}) {
    const json = { 'content-type': 'application/json', ...headers };
    return this.call<T>(service, 'POST', path, { headers: json, body: JSON.stringify(body) });
  }

  createUser(more: object = {}) {
    return this.post<User>('user-service', '/users', {
      email: `${randomUUID()}@example.org`,
      name: 'Anna',
      ...more,
    });
  }

  /** The id of a new user whose account holds `balance`. */
  async userWith(balance: number, more: object = {}): Promise<number> {
    const { body } = await this.createUser(more);
    if (balance > 0) await this.deposit(body.id, balance);
    return body.id;
  }

  deposit(user_id: number, amount: number, headers?: Record<string, string>) {
    return this.post('billing-service', `/accounts/${user_id}/deposit`, { amount }, headers);
  }

  withdraw(user_id: number, amount: number, headers?: Record<string, string>) {
    return this.post('billing-service', `/accounts/${user_id}/withdraw`, { amount }, headers);
  }

  account(user_id: number) {
    return this.get('billing-service', `/accounts/${user_id}`);
  }

  order(user_id: number, price: number, headers?: Record<string, string>) {
    return this.post<Order>('order-service', '/orders', { user_id, price }, headers);
  }

  /** All letters of a user, page by page. */
  letters(user_id: number): Promise<Notification[]> {
    return this.all('notification-service', `/notifications?user_id=${user_id}`);
  }

  async all<T = Any>(service: ServiceName, path: string): Promise<T[]> {
    const items: T[] = [];
    let cursor: string | null = null;
    do {
      const more: string = cursor ? `${path.includes('?') ? '&' : '?'}cursor=${cursor}` : '';
      const { status, body } = await this.get(service, `${path}${more}`);
      if (status !== 200) throw new Error(`GET ${path}${more}: ${status} ${JSON.stringify(body)}`);
      items.push(...body.items);
      cursor = body.next_cursor;
    } while (cursor);
    return items;
  }
}
