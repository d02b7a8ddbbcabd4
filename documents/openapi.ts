import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { readConfig } from '@stream-processing/runtime/config.ts';
import type { ServiceDefinition } from '@stream-processing/runtime/definition.ts';
import { describe } from '@stream-processing/runtime/describe.ts';
import type { OpenApi } from '@stream-processing/runtime/openapi.ts';
import { DEFINITIONS } from '../services/definitions.ts';

/** What each service serves as /openapi.json, with its address of `npm start`. */
export async function openApiDocuments(): Promise<Record<ServiceName, OpenApi>> {
  const { ports } = readConfig({});
  const documents = SERVICES.map(async (service) => {
    // biome-ignore lint/suspicious/noExplicitAny: services have no state or commands in common
    const definition = DEFINITIONS[service] as ServiceDefinition<any, any, any>;
    const { openapi, info, ...rest } = await describe(definition);
    const servers = [{ url: `http://localhost:${ports[service]}`, description: '`npm start`' }];
    return [service, { openapi, info, servers, ...rest }] as const;
  });
  return Object.fromEntries(await Promise.all(documents)) as unknown as Record<ServiceName, OpenApi>;
}
