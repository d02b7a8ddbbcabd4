/** `npm run chart:readme`: the table of values in helm/README.md, from the comments in helm/values.yaml. */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { parse } from 'yaml';

const CHART = path.join(import.meta.dirname, '..', 'helm');
const README = path.join(CHART, 'README.md');
const BEGIN = '<!-- begin: npm run chart:readme -->';
const END = '<!-- end -->';

export interface Value {
  /** As `--set` names it: `image.tag`. */
  name: string;
  default: unknown;
  /** undefined: nobody explained it. */
  meaning: string | undefined;
}

/** What the chart has for values: those with a comment, and the leaves that lack one. */
export function valuesOf(text: string): Value[] {
  const values: Value[] = [];
  const above: string[] = [];
  let meaning: string | undefined;
  // Whatever is explained as a whole needs no words for its parts.
  let explained: number | undefined;
  for (const line of text.split('\n')) {
    const comment = /^ *# -- (.+)$/.exec(line);
    if (comment) meaning = comment[1];
    const [, indent, key, rest] = /^( *)([A-Za-z]+):(.*)$/.exec(line) ?? [];
    if (key === undefined) continue;
    const depth = indent!.length / 2;
    above.splice(depth, above.length, key);
    if (explained !== undefined && depth > explained) continue;
    explained = meaning === undefined ? undefined : depth;
    if (meaning !== undefined || rest !== '') {
      const found = above.reduce(
        (value: unknown, name) => (value as Record<string, unknown>)[name],
        parse(text),
      );
      values.push({ name: above.join('.'), default: found, meaning });
    }
    meaning = undefined;
  }
  return values;
}

/** The README with the table that values.yaml asks for. */
export function withTable(readme: string, values: Value[]): string {
  const rows = values.map(
    (value) => `| \`${value.name}\` | \`${JSON.stringify(value.default)}\` | ${value.meaning} |`,
  );
  const table = ['| value | default | meaning |', '| --- | --- | --- |', ...rows].join('\n');
  const [before, rest = ''] = readme.split(BEGIN);
  return `${before}${BEGIN}\n${table}\n${END}${rest.split(END)[1]}`;
}

if (process.argv[1] === import.meta.filename) {
  const values = valuesOf(readFileSync(path.join(CHART, 'values.yaml'), 'utf8'));
  writeFileSync(README, withTable(readFileSync(README, 'utf8'), values));
}
