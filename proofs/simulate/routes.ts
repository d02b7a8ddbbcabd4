/** The routes of a service without a server: their handlers are called with what they would get behind validation. */
import type { App } from '@stream-processing/runtime/http.ts';

export interface Reply {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the body is what the route says
  body: any;
  replayed: boolean;
}

export interface Request {
  id: string;
  params?: object;
  query?: object;
  body?: object;
  headers?: Record<string, string>;
}

type Handler = (request: object, response: object) => unknown;

export class Routes {
  readonly #handlers = new Map<string, Handler>();

  /** What a service's `routes` sees as its app. */
  get app(): App {
    const on = (method: string) => (path: string, _options: object, handler: Handler) =>
      void this.#handlers.set(`${method} ${path}`, handler);
    return { get: on('GET'), post: on('POST') } as unknown as App;
  }

  /** Rejects with what the handler throws: a Problem, as a rule. */
  async call(method: 'GET' | 'POST', path: string, request: Request): Promise<Reply> {
    const reply: Reply = { status: 200, body: undefined, replayed: false };
    const response = {
      header(name: string, value: unknown) {
        if (name === 'idempotency-replayed') reply.replayed = value === 'true';
        return response;
      },
      code(status: number) {
        reply.status = status;
        return response;
      },
      type: () => response,
      send(text: string) {
        reply.body = JSON.parse(text);
        return response;
      },
    };
    const seen = { query: {}, params: {}, headers: {}, method, routeOptions: { url: path }, ...request };
    const result = await this.#handlers.get(`${method} ${path}`)!(seen, response);
    if (result !== response) reply.body = JSON.parse(JSON.stringify(result));
    return reply;
  }
}
