/** Writes schema.ts: the types of everything that the four services take and answer, from their OpenAPI documents. */
import { NOTHING_DONE, PROBLEMS } from '@stream-processing/contracts/problems.ts';
import type { OpenApi } from '@stream-processing/runtime/openapi.ts';
import openapiTs, { astToString } from 'openapi-typescript';

const HEAD = `// Written by \`npm run documents\` from the OpenAPI documents of the services.
`;

/** The text of schema.ts. */
export async function clientSchema(documents: OpenApi[]): Promise<string> {
  const types = await openapiTs(merged(documents) as never, { alphabetize: true });
  const codes = Object.keys(PROBLEMS).map((code) => `  | '${code}'`);
  return `${HEAD}
${astToString(types)}
/** Why a request is refused; docs/errors.md has the table. */
export type ProblemCode =
${codes.join('\n')};

/** With these a service says that nothing was done, and that the same request is worth repeating. */
export const NOTHING_DONE: ReadonlySet<string> = new Set([
${[...NOTHING_DONE].map((code) => `  '${code}',`).join('\n')}
]);
`;
}

/** No two services have a path in common, and schemas of one name are the same. */
function merged([first, ...others]: OpenApi[]): object {
  const { openapi, info } = first!;
  const all = [first!, ...others];
  const paths = Object.assign({}, ...all.map((document) => document.paths));
  const schemas = Object.assign({}, ...all.map((document) => document.components?.schemas));
  const headers = Object.assign({}, ...all.map((document) => document.components?.headers));
  return { openapi, info, paths, components: { schemas, headers } };
}
