import { Agent, request as httpRequest } from 'node:http';
import type { Request } from './request.ts';

export interface Reply {
  status: number;
  /** Names in lower case. */
  headers: Record<string, string>;
  body: Buffer;
}

/** No reply: it did not come in time, or the connection broke before. */
export interface NoReply {
  lost: 'hanging' | 'closed';
  why: string;
}

/** Much longer than an order waits by default (5 s) and a fresh read at most (2 s). */
export const REPLY_MS_MAX = 15_000;

/** A connection of one's own to a service, kept from request to request. */
export class Connection {
  readonly #origin: URL;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });

  constructor(url: string) {
    this.#origin = new URL(url);
  }

  send({ method, target, headers, body }: Request, ms = REPLY_MS_MAX): Promise<Reply | NoReply> {
    const { hostname, port, host } = this.#origin;
    return new Promise((resolve) => {
      const sent = httpRequest({
        hostname,
        port,
        method,
        path: target,
        agent: this.#agent,
        // Name after name, so that one may come twice.
        headers: ['Host', host, ...lengthOf(method, body), ...headers.flat()],
      });
      const late = setTimeout(() => {
        resolve({ lost: 'hanging', why: `no reply within ${ms / 1000} s` });
        sent.destroy();
      }, ms);
      const closed = (error: Error) => {
        clearTimeout(late);
        resolve({ lost: 'closed', why: error.message });
      };
      sent.on('error', closed);
      sent.on('response', (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', closed);
        response.on('end', () => {
          clearTimeout(late);
          const told = Object.entries(response.headers).map(([name, value]) => [name, String(value)]);
          const headers = Object.fromEntries(told) as Record<string, string>;
          resolve({ status: response.statusCode!, headers, body: Buffer.concat(parts) });
        });
      });
      sent.end(body);
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

function lengthOf(method: string, body: Buffer | undefined): string[] {
  if (!body && (method === 'GET' || method === 'HEAD')) return [];
  return ['Content-Length', String(body?.length ?? 0)];
}
