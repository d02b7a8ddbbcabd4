import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import type { OpenApi } from '@stream-processing/runtime/openapi.ts';
import { parse, stringify } from 'yaml';
import { clientSchema } from '../client/generate.ts';
import { type AsyncApi, asyncApiDocument } from './asyncapi.ts';
import { openApiDocuments } from './openapi.ts';
import { picture } from './picture.ts';

const ROOT = path.dirname(import.meta.dirname);

export interface Documents {
  openapi: Record<ServiceName, OpenApi>;
  asyncapi: AsyncApi;
}

/** Where the documents are: `docs/` has them as the code gives them, `documents/released/` as the last release had them. */
export type Place = 'docs' | 'documents/released';

/** What the code gives. */
export async function createDocuments(): Promise<Documents> {
  return { openapi: await openApiDocuments(), asyncapi: asyncApiDocument() };
}

/** The documents as files: paths from the root of the project, and texts. */
export function filesOf({ openapi, asyncapi }: Documents, place: Place): Map<string, string> {
  const head = '# Written by `npm run documents`.\n';
  // Long lines stay as they are: what a line says is easier compared from one version to the next.
  const text = (document: object) =>
    head + stringify(plain(document), { aliasDuplicateObjects: false, lineWidth: 0 });
  return new Map([
    ...SERVICES.map((service) => [openApiFile(place, service), text(openapi[service])] as const),
    [asyncApiFile(place), text(asyncapi)],
  ]);
}

/** The types of the client, made from the OpenAPI documents. */
export async function clientFiles({ openapi }: Documents): Promise<Map<string, string>> {
  return new Map([['client/schema.ts', await clientSchema(Object.values(plain(openapi)))]]);
}

/** The same picture in two languages. */
export function pictureFiles(): Map<string, string> {
  return new Map([
    ['docs/architecture.svg', picture('en')],
    ['docs/ru/architecture.svg', picture('ru')],
  ]);
}

export async function readDocuments(place: Place): Promise<Documents> {
  const read = async (file: string) => parse(await readFile(path.join(ROOT, file), 'utf8'));
  const entries = SERVICES.map(async (service) => [service, await read(openApiFile(place, service))]);
  return {
    openapi: Object.fromEntries(await Promise.all(entries)),
    asyncapi: await read(asyncApiFile(place)),
  };
}

/** Answers which files are new or another than before. */
export async function writeFiles(files: Map<string, string>): Promise<string[]> {
  const written: string[] = [];
  for (const [name, text] of files) {
    const file = path.join(ROOT, name);
    if ((await readFile(file, 'utf8').catch(() => undefined)) === text) continue;
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, text);
    written.push(name);
  }
  return written;
}

/** Without what TypeBox keeps in its schemas besides JSON. */
export function plain<T extends object>(document: T): T {
  return JSON.parse(JSON.stringify(document));
}

const openApiFile = (place: Place, service: ServiceName) => `${place}/openapi/${service}.yaml`;
const asyncApiFile = (place: Place) => `${place}/asyncapi.yaml`;
