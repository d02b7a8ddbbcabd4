/** As far as the documents use JSON Schema. */
export interface Schema {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  pattern?: string;
  format?: string;
  minimum?: number;
  maximum?: number;
  minLength?: number;
  maxLength?: number;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean;
  items?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
}

const COMPARED = new Set([
  ...['type', 'enum', 'const', 'pattern', 'format', 'minimum', 'maximum', 'minLength', 'maxLength'],
  ...['properties', 'required', 'additionalProperties', 'items', 'anyOf', 'allOf'],
]);
const IRRELEVANT = new Set(['title', 'description', 'examples', 'default']);

/**
 * Why a value of schema `a` may be refused by schema `b`; empty: whatever `a` takes, `b` takes too. Throws on a keyword that
 * it does not know. `ignoreUnknown`: properties that only `a` has do no harm.
 */
export function narrowings(
  a: Schema,
  b: Schema,
  at: string,
  options: { ignoreUnknown?: boolean } = {},
): string[] {
  for (const keyword of [...Object.keys(a), ...Object.keys(b)]) {
    if (!COMPARED.has(keyword) && !IRRELEVANT.has(keyword)) {
      throw new Error(`${at}: nobody taught documents/narrowings.ts to compare ${keyword}`);
    }
  }
  if (a.allOf || b.allOf) return narrowings(merged(a), merged(b), at, options);
  if (a.anyOf || b.anyOf) return alternatives(a, b, at, options);
  const differs = (keyword: 'type' | 'pattern' | 'format') =>
    b[keyword] !== undefined &&
    b[keyword] !== a[keyword] &&
    !(a[keyword] === 'integer' && b[keyword] === 'number')
      ? [`${at}: ${keyword} ${a[keyword] ?? 'any'} against ${b[keyword]}`]
      : [];
  return [
    ...differs('type'),
    ...differs('pattern'),
    ...differs('format'),
    ...bounds(a, b, at),
    ...values(a, b, at),
    ...properties(a, b, at, options),
    ...(b.items ? narrowings(a.items ?? {}, b.items, `${at}[]`, options) : []),
  ];
}

/** The properties that `a` has and `b` has not. */
export function removals(a: Schema, b: Schema, at: string): string[] {
  const [from, to] = [merged(a), merged(b)];
  const own = Object.entries(from.properties ?? {}).flatMap(([name, schema]) => {
    const kept = to.properties?.[name];
    return kept ? removals(schema, kept, `${at}.${name}`) : [`${at}.${name} is gone`];
  });
  return [...own, ...(from.items && to.items ? removals(from.items, to.items, `${at}[]`) : [])];
}

function bounds(a: Schema, b: Schema, at: string): string[] {
  const lower = (['minimum', 'minLength'] as const).filter(
    (keyword) => b[keyword] !== undefined && !(a[keyword]! >= b[keyword]),
  );
  const upper = (['maximum', 'maxLength'] as const).filter(
    (keyword) => b[keyword] !== undefined && !(a[keyword]! <= b[keyword]),
  );
  return [...lower, ...upper].map(
    (keyword) => `${at}: ${keyword} ${a[keyword] ?? 'none'} against ${b[keyword]}`,
  );
}

function values(a: Schema, b: Schema, at: string): string[] {
  const [from, to] = [valuesOf(a), valuesOf(b)];
  if (!to) return [];
  if (!from) return [`${at}: any value against one of ${to.join(', ')}`];
  const missing = from.filter((value) => !to.includes(value));
  return missing.map((value) => `${at}: ${value} is not among ${to.join(', ')}`);
}

function valuesOf(schema: Schema): unknown[] | undefined {
  return 'const' in schema ? [schema.const] : schema.enum;
}

function properties(a: Schema, b: Schema, at: string, options: { ignoreUnknown?: boolean }): string[] {
  const required = (b.required ?? []).filter((name) => !a.required?.includes(name));
  const isClosed = b.additionalProperties === false && !options.ignoreUnknown;
  const open = isClosed && b.properties && a.properties && a.additionalProperties !== false;
  const both = Object.entries(a.properties ?? {}).flatMap(([name, schema]) => {
    const other = b.properties?.[name];
    if (other) return narrowings(schema, other, `${at}.${name}`, options);
    return isClosed ? [`${at}.${name} is not known`] : [];
  });
  return [
    ...required.map((name) => `${at}.${name} is required by one side alone`),
    ...(open ? [`${at}: any property against those that are known`] : []),
    ...both,
  ];
}

/** Each alternative of `a` needs one of `b` that takes it. */
function alternatives(a: Schema, b: Schema, at: string, options: { ignoreUnknown?: boolean }): string[] {
  const targets = b.anyOf ?? [b];
  return (a.anyOf ?? [a]).flatMap((alternative) => {
    const tries = targets.map((each) => narrowings(alternative, each, at, options));
    return tries.some((found) => found.length === 0) ? [] : tries.sort((x, y) => x.length - y.length)[0]!;
  });
}

/** `allOf` as one schema: enough for an object and some more about its properties. */
function merged({ allOf = [], ...own }: Schema): Schema {
  const all: Schema = { ...own };
  for (const part of allOf.map(merged)) {
    const properties = { ...all.properties };
    for (const [name, schema] of Object.entries(part.properties ?? {})) {
      properties[name] = { ...properties[name], ...schema };
    }
    const required = [...(all.required ?? []), ...(part.required ?? [])];
    Object.assign(all, part, { properties, required });
  }
  return all;
}
