/** What the documents say about files, settings and routes is so. */
import { existsSync, globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { SERVICES } from '@stream-processing/contracts/names.ts';
import { describe, expect, test } from 'vitest';
import { shareInstallation } from './shared-installation.ts';

const root = path.join(import.meta.dirname, '..');
const READMES = ['README.md', 'README.ru.md'];
const documents = [
  ...READMES,
  'CONTRIBUTING.md',
  'client/README.md',
  ...globSync('docs/**/*.md', { cwd: root }),
];
const text = (file: string) => readFileSync(path.join(root, file), 'utf8');

test.each(documents)(
  '%s: every relative link leads to a file, and to a heading where it names one',
  (file) => {
    const targets = [...text(file).matchAll(/\]\(([^)\s]+)\)/g)]
      .map(([, target]) => target!)
      .filter((target) => !/^[a-z]+:/.test(target));
    const broken = targets.filter((target) => {
      const [name, heading] = target.split('#') as [string, string?];
      const found = name === '' ? file : path.join(path.dirname(file), name);
      if (!existsSync(path.join(root, found))) return true;
      return heading !== undefined && !headings(text(found)).includes(heading);
    });
    expect(broken).toEqual([]);
  },
);

test('the index of decisions names every one by its title', () => {
  const index = text('docs/decisions/README.md');
  for (const file of globSync('docs/decisions/0*.md', { cwd: root })) {
    const [, number, title] = /^# (\d{4}) (.+)/.exec(text(file))!;
    expect(index).toContain(`| [${number}](${path.basename(file)}) | ${title} |`);
  }
});

describe('settings', () => {
  /** `NAME: validator({ default: 'value' })`, as runtime/config.ts lists them. */
  const settings = Object.fromEntries(
    [...text('runtime/config.ts').matchAll(/^ {2}([A-Z_]+): \w+\(\{ default: '?([^']*?)'? \}\),$/gm)].map(
      ([, name, value]) => [name, value],
    ),
  );

  test('the look at runtime/config.ts sees them', () => {
    expect(settings).toMatchObject({ HOST: '127.0.0.1', USER_PORT: '8000', DATABASE_URL: '' });
    expect(Object.keys(settings)).toHaveLength(text('runtime/config.ts').match(/\(\{ default: /g)!.length);
  });

  test.each(READMES)('%s tells every one with its default, and no other', (file) => {
    const rows = [...text(file).matchAll(/^\| `([A-Z_]+)` \| (?:`([^`]+)`|—) \| .+ \|$/gm)];
    expect(Object.fromEntries(rows.map(([, name, value]) => [name, value ?? '']))).toEqual(settings);
  });
});

describe('routes', () => {
  const shared = shareInstallation();

  test.each(READMES)('%s tells every route of every /openapi.json, and no other', async (file) => {
    const known = await Promise.all(
      SERVICES.map(async (service) => {
        const { body } = await shared.api.get(service, '/openapi.json');
        const paths = Object.entries<object>(body.paths);
        return paths.flatMap(([route, methods]) =>
          Object.keys(methods).map((method) => `${method.toUpperCase()} ${route}`),
        );
      }),
    );
    const told = routesIn(file).filter((route) => !OPERATIONS.includes(route));
    expect(told.sort()).toEqual(known.flat().sort());
  });

  test.each(READMES)('%s tells what each service answers beside its own routes', async (file) => {
    expect(routesIn(file)).toEqual(expect.arrayContaining(OPERATIONS));
    for (const service of SERVICES) {
      for (const operation of OPERATIONS) {
        const { status } = await shared.api.get(service, operation.replace('GET ', ''));
        expect({ service, operation, status }).toMatchObject({ status: 200 });
      }
    }
  });

  test('docs/operations.md tells of every metric that services have of their own, and of no other', async () => {
    const pages = SERVICES.map(async (service) =>
      (await fetch(`${shared.api.urls[service]}/metrics`)).text(),
    );
    const names = (await Promise.all(pages)).flatMap((page) =>
      [...page.matchAll(/^# HELP (?!process_|nodejs_)(\S+)/gm)].map(([, name]) => name!),
    );
    const told = [...text('docs/operations.md').matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(
      ([, cell]) => cell!.replaceAll('`', '').split(', '),
    );
    // This one is there with Kafka only.
    expect(told.sort()).toEqual([...new Set([...names, 'relay_lag_events'])].sort());
  });
});

const OPERATIONS = ['/health/live', '/health/ready', '/metrics', '/openapi.json', '/docs'].map(
  (route) => `GET ${route}`,
);

/** The first cell of each row of the contract table: `GET /users/{id}`, or several with commas between. */
function routesIn(file: string): string[] {
  const cells = [...text(file).matchAll(/^\| ((?:`(?:GET|POST) [^`]+`(?:, )?)+) \|/gm)].map(
    ([, cell]) => cell!,
  );
  return cells.flatMap((cell) => [...cell.matchAll(/`(\w+ [^`?]+)[^`]*`/g)].map(([, route]) => route!));
}

/** GitHub's names for the headings of a document. */
function headings(markdown: string): string[] {
  return [...markdown.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
