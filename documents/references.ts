/** A copy of a document with every `$ref` into itself replaced by what it refers to. */
export function inlined<T extends object>(document: T): T {
  const resolve = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(resolve);
    if (typeof value !== 'object' || value === null) return value;
    if ('$ref' in value) return resolve(target(document, String(value.$ref)));
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolve(inner)]));
  };
  return resolve(document) as T;
}

function target(document: object, pointer: string): unknown {
  const names = pointer.replace(/^#\//, '').split('/');
  let found: unknown = document;
  for (const name of names) found = (found as Record<string, unknown> | undefined)?.[name];
  if (found === undefined) throw new Error(`${pointer} refers to nothing`);
  return found;
}
