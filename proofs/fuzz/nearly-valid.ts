import type { Operation, Parameter } from './documents.ts';
import type { Hostility } from './hostile.ts';
import { bytesOf, type Request } from './request.ts';
import { NOT_INTEGERS, spoils } from './spoil.ts';

const NOT_ONE_OF = ['', 'x', 'ASC', 'desc ', '0', '__proto__', 'asc,desc'];
/** Some are made as the services make theirs: base64url of a number. */
const NO_CURSORS = [
  '',
  'x',
  '\0',
  'MA',
  'LTE',
  'MS41',
  'A'.repeat(64),
  'A'.repeat(65),
  'OTk5OTk5OTk5OTk5OTk5OTk5OQ',
  '🙂',
];

/** Every single change that makes a request to this operation an invalid one, or nearly so. */
export function nearlyValid(operation: Operation): Hostility[] {
  const kind = 'nearly valid';
  const found: Hostility[] = spoils(operation.body?.schema ?? {})
    .filter(() => operation.body !== undefined)
    .map(({ what, value, inexact }) => ({
      kind,
      what: `the body ${what}`,
      change: ({ content }) => {
        const spoilt = value(content);
        return { content: spoilt, body: bytesOf(spoilt) };
      },
      ...(inexact ? { codes: ['invalid_body'] } : {}),
    }));
  for (const parameter of operation.parameters) {
    for (const text of textsFor(parameter)) {
      const what = `${parameter.name} = ${JSON.stringify(text).slice(0, 40)}`;
      const change = (request: Request) => ({
        target: withParameter(operation, parameter, request.target, text),
      });
      // What a cursor holds is no matter of its schema.
      found.push({ kind, what, change, open: parameter.name === 'cursor' });
    }
    if (parameter.in !== 'query') continue;
    found.push(
      {
        kind,
        what: `${parameter.name} twice`,
        change: ({ target }) => ({ target: search(target, (query) => twice(query, parameter)) }),
      },
      {
        kind,
        what: `without ${parameter.name}`,
        change: ({ target }) => ({ target: search(target, (query) => query.delete(parameter.name)) }),
      },
    );
  }
  found.push({
    kind,
    what: 'with a parameter that is not known',
    change: ({ target }) => ({ target: search(target, (query) => query.append('surprise', '1')) }),
  });
  return found;
}

function textsFor({ in: where, name, schema }: Parameter): string[] {
  if (where === 'header') return [];
  if (name === 'cursor') return NO_CURSORS;
  if (schema.enum) return NOT_ONE_OF;
  if (schema.type !== 'integer') return [];
  const tooMuch = String(BigInt(schema.maximum ?? 0) + 1n);
  // A path without it is another path.
  return [...NOT_INTEGERS, tooMuch, ...(where === 'query' ? [''] : [])];
}

function withParameter(operation: Operation, parameter: Parameter, target: string, text: string): string {
  if (parameter.in === 'query') return search(target, (query) => query.set(parameter.name, text));
  const at = operation.path.split('/').indexOf(`{${parameter.name}}`);
  const [place = '', ...rest] = target.split('?');
  return [place.split('/').with(at, encodeURIComponent(text)).join('/'), ...rest].join('?');
}

function search(target: string, change: (query: URLSearchParams) => void): string {
  const [place = '', text = ''] = target.split('?');
  const query = new URLSearchParams(text);
  change(query);
  return query.size > 0 ? `${place}?${query}` : place;
}

function twice(query: URLSearchParams, { name, schema }: Parameter): void {
  query.append(name, query.get(name) ?? String(schema.enum?.[0] ?? 1));
  query.append(name, query.get(name)!);
}
