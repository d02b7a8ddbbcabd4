import pg, { type QueryConfig } from 'pg';

// biome-ignore lint/suspicious/noExplicitAny: columns are what the statement says; callers name them in a type
export type Rows = Record<string, any>[];

/** A part of a statement, with its values. */
export class Fragment {
  readonly strings: readonly string[];
  readonly values: unknown[];

  constructor(strings: readonly string[], values: unknown[]) {
    this.strings = strings;
    this.values = values;
  }
}

/** fragment`desc`: what a statement's template may hold beside values. */
export function fragment(strings: TemplateStringsArray, ...values: unknown[]): Fragment {
  return new Fragment(strings, values);
}

/** The name of a table, role or channel, quoted. */
export function identifier(name: string): Fragment {
  return new Fragment([pg.escapeIdentifier(name)], []);
}

/** The statement with `$1, $2 …`, and the name under which connections keep it prepared. */
export function statement(strings: TemplateStringsArray, templateValues: unknown[]): QueryConfig {
  const values: unknown[] = [];
  const text = textOf({ strings, values: templateValues }, values);
  return { name: nameOf(text), text, values };
}

function textOf({ strings, values: own }: Pick<Fragment, 'strings' | 'values'>, values: unknown[]): string {
  let text = strings[0]!;
  own.forEach((value, i) => {
    text += value instanceof Fragment ? textOf(value, values) : `$${values.push(value)}`;
    text += strings[i + 1]!;
  });
  return text;
}

const names = new Map<string, string>();

/** Templates are written in code, so there are only so many texts. */
function nameOf(text: string): string {
  const known = names.get(text);
  if (known) return known;
  const name = `s${names.size}`;
  names.set(text, name);
  return name;
}
