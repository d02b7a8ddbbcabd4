/** `npm run documents`: writes docs/openapi/, docs/asyncapi.yaml, the picture and the client's types from the code. */
import { parseArgs } from 'node:util';
import { allowsBreaking, breakingChanges } from './breaking.ts';
import { clientFiles, createDocuments, filesOf, pictureFiles, readDocuments, writeFiles } from './files.ts';

const HELP = `npm run documents [-- OPTIONS]

Writes docs/openapi/SERVICE.yaml, docs/asyncapi.yaml, docs/architecture.svg and client/schema.ts from the
code, and says what consumers of the last release would trip over. The exit code is 1 when that needs another
version.

  --release   also keeps them in documents/released/, as those that later changes are compared with
  --help      this text
`;

const options = { release: { type: 'boolean' }, help: { type: 'boolean' } } as const;

try {
  const { values } = parseArgs({ options });
  if (values.help) process.stdout.write(HELP);
  else await write(values.release ?? false);
} catch (error) {
  if (!(error instanceof Error && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')))
    throw error;
  process.stderr.write(`${error.message}\n\n${HELP}`);
  process.exitCode = 2;
}

async function write(release: boolean): Promise<void> {
  const documents = await createDocuments();
  const places = release ? (['docs', 'documents/released'] as const) : (['docs'] as const);
  const files = places.flatMap((place) => [...filesOf(documents, place)]);
  const all = new Map([...files, ...(await clientFiles(documents)), ...pictureFiles()]);
  for (const file of await writeFiles(all)) console.log(`written: ${file}`);
  const released = await readDocuments('documents/released');
  const changes = breakingChanges(released, documents);
  const [from, to] = [released.asyncapi.info.version, documents.asyncapi.info.version];
  if (changes.length === 0) return console.log(`nothing breaks consumers of ${from}`);
  for (const change of changes) console.log(`breaks consumers of ${from}: ${change}`);
  if (!allowsBreaking(from, to)) process.exitCode = 1;
}
