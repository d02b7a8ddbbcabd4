import pg from 'pg';

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

/** A statement with `$1, $2 …`, and the name under which connections keep it prepared. */
export interface Statement {
  name: string;
  text: string;
  /** As PostgreSQL reads them. */
  values: (string | Buffer | null)[];
  /** Its answer is wanted before the statements behind it in its group are done. */
  isPrompt?: boolean;
}

export function statement(strings: TemplateStringsArray, templateValues: unknown[]): Statement {
  const known = whole.get(strings);
  if (known) return { ...known, values: templateValues.map(toParameter) };
  const values: unknown[] = [];
  const text = textOf({ strings, values: templateValues }, values);
  const name = nameOf(text);
  // Without parts the text is the same at every call.
  if (!templateValues.some((value) => value instanceof Fragment)) whole.set(strings, { name, text });
  return { name, text, values: values.map(toParameter) };
}

const whole = new WeakMap<TemplateStringsArray, Pick<Statement, 'name' | 'text'>>();

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

function toParameter(value: unknown): string | Buffer | null {
  if (Array.isArray(value)) return toArray(value);
  return value instanceof Buffer || value === null ? value : toText(value);
}

/** An array's literal. Numbers, by far the most, need no quotes. */
function toArray(values: unknown[]): string {
  let text = '{';
  for (let i = 0; i < values.length; i += 1) {
    if (i > 0) text += ',';
    const value = values[i];
    if (typeof value === 'number') text += value;
    else if (typeof value === 'string') text += quoted(value);
    else text += value === null ? 'NULL' : toText(value);
  }
  return `${text}}`;
}

function quoted(value: string): string {
  return SPECIAL.test(value) ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
}

const SPECIAL = /["\\]/;

function toText(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  if (!SCALARS.has(typeof value)) throw new TypeError(`a statement cannot take ${typeof value} as a value`);
  return String(value);
}

const SCALARS = new Set(['string', 'number', 'bigint', 'boolean']);
