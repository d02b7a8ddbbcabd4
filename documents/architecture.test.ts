/** What docs/architecture.md shows of APIs, diagrams and figures is so, in both languages. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { runInThisContext } from 'node:vm';
import { beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';

const root = path.dirname(import.meta.dirname);
const text = (file: string) => readFileSync(path.join(root, file), 'utf8');
const blocks = (markdown: string, language: string) =>
  [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block!);

const ENGLISH = 'docs/architecture.md';
const RUSSIAN = 'docs/ru/architecture.md';

describe.each([ENGLISH, RUSSIAN])('%s', (file) => {
  const markdown = text(file);
  const excerpts = blocks(markdown, 'yaml');
  const ours = excerpts.flatMap((block) => {
    const source = /^# (docs\/\S+)\n/.exec(block)?.[1];
    return source ? [{ source, block }] : [];
  });
  const others = excerpts.filter((block) => block.includes('bench/styles/'));

  test('every excerpt says where it is from', () => {
    expect(ours.map(({ source }) => source)).toEqual([
      'docs/openapi/order-service.yaml',
      'docs/asyncapi.yaml',
    ]);
    expect(others).toHaveLength(3);
    expect(ours.length + others.length).toBe(excerpts.length);
  });

  test.each(ours)('$source says what the excerpt shows', ({ source, block }) => {
    expect(parse(text(source))).toMatchObject(parse(block));
  });

  test.each(others)('the style of the benchmark has the routes and fields of its excerpt: %s', (block) => {
    const sources = [...block.split('\n')[0]!.matchAll(/bench\/styles\/[\w-]+\.ts/g)].map(([name]) =>
      text(name),
    );
    const { paths, channels } = parse(block);
    const fields = [...block.matchAll(/required: \[(.*)\]/g)].flatMap(([, names]) => names!.split(', '));
    const routes = Object.keys(paths ?? {}).map((route) => `'${route}'`);
    const tables = Object.values<{ address: string }>(channels ?? {}).map(({ address }) => address);
    for (const name of [...routes, ...tables, ...fields]) {
      expect(
        sources.some((source) => source.includes(name)),
        name,
      ).toBe(true);
    }
    expect(fields.length).toBeGreaterThan(0);
  });

  test('the figures are those of docs/performance.md', () => {
    const measured = text('docs/performance.md');
    const [, commit, date] = /^- commit: (\w+), ([\d-]+)$/m.exec(measured)!;
    expect(markdown).toContain(commit);
    expect(markdown).toContain(date);
    const rows = [...markdown.matchAll(/^\| (\d+) \| (.+?) \| (.+?) \| (.+?) \|$/gm)];
    expect(rows.map(([, connections]) => connections)).toEqual(['1', '16', '64', '256']);
    for (const [, connections, ...cells] of rows) {
      const titles = [
        `four services by HTTP, ${connections}`,
        `by HTTP, letters by event, ${connections}`,
        `ours, ${connections} connection${connections === '1' ? '' : 's'}`,
      ];
      expect(cells).toEqual(titles.map((title) => figuresOf(measured, title, file === RUSSIAN)));
    }
  });
});

test('both languages show the same excerpts', () => {
  const data = (file: string) => blocks(text(file), 'yaml').map((block) => withoutWords(parse(block)));
  expect(data(RUSSIAN)).toEqual(data(ENGLISH));
});

describe('diagrams', () => {
  let mermaid: { parse(diagram: string): Promise<{ diagramType: string }> };
  beforeAll(() => {
    // It is made for the <script> of a page, and puts itself into the global object.
    runInThisContext(readFileSync(createRequire(import.meta.url).resolve('@mermaid-js/tiny'), 'utf8'));
    mermaid = (globalThis as unknown as { mermaid: typeof mermaid }).mermaid;
  });

  test.each([ENGLISH, RUSSIAN])('%s: Mermaid reads all three', async (file) => {
    const diagrams = blocks(text(file), 'mermaid');
    expect(diagrams).toHaveLength(3);
    for (const diagram of diagrams) {
      expect(await mermaid.parse(diagram)).toMatchObject({ diagramType: 'sequence' });
    }
  });

  test('a broken one would be seen', async () => {
    const [diagram] = blocks(text(ENGLISH), 'mermaid');
    await expect(mermaid.parse(diagram!.replace('Caller->>O', 'Caller->>>>O'))).rejects.toThrow(
      'Parse error',
    );
  });
});

/** `229, 4.27 and 9.16 ms` of a row `| title | median | … | p50 | p99 | …`. */
function figuresOf(measured: string, title: string, inRussian: boolean): string {
  const row = measured.split('\n').find((line) => line.startsWith(`| ${title} |`))!;
  const cells = row.split('|').map((cell) => cell.trim());
  const [median, p50, p99] = [cells[2], cells[7], cells[8]];
  return inRussian ? `${median}, ${p50} и ${p99} мс` : `${median}, ${p50} and ${p99} ms`;
}

/** What is said in words may differ. */
function withoutWords(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value, (key, inner) => (key === 'description' ? undefined : inner)));
}
