import pino from 'pino';
import type { Room, ServiceDefinition } from './definition.ts';
import { createHttp } from './http.ts';
import { createMetrics } from './metrics.ts';
import type { OpenApi } from './openapi.ts';
import type { Decision } from './work.ts';

/** A service's OpenAPI document without the service: its routes are registered and none is ever called. */
export async function describe<State, Command, D extends Decision>({
  name,
  description,
  routes,
}: ServiceDefinition<State, Command, D>): Promise<OpenApi> {
  const logger = pino({ level: 'silent' });
  const metrics = createMetrics(name);
  const never = () => false;
  const { app } = await createHttp({
    service: name,
    description,
    logger,
    metrics,
    stopping: never,
    full: never,
    ready: async () => {},
  });
  const room = { logger, metrics, refuseWhile() {}, onDecisions() {} };
  routes(app, room as unknown as Room<State, Command, D>);
  try {
    await app.ready();
    return app.swagger() as OpenApi;
  } finally {
    await app.close();
  }
}
