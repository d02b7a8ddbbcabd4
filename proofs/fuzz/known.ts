import type { Reply } from './send.ts';

/** A value that some reply told before, to be filled in when its request is sent. */
export class Ref {
  /** As the requests that take it call it: `user_id`, `order_id`, `email`, `cursor`. */
  readonly name: string;
  /** Which one of those known by then. */
  readonly nth: number;

  constructor(name: string, nth: number) {
    this.name = name;
    this.nth = nth;
  }
}

export interface Answered {
  target: string;
  headers: [string, string][];
  content: unknown;
  reply: Reply;
}

/** So many of a name, the newest; the older ones stay in the services all the same. */
const KEPT = 200;
const IS_REFERRED_TO = /_id$|^email$/;

/** What the callers have been told so far: the ids they can use, reuse and mistake, and what was answered under a key. */
export class Known {
  readonly #values = new Map<string, unknown[]>();
  readonly #answered = new Map<string, Answered[]>();

  /** Takes every id, address and cursor out of a reply to `path`. */
  learn(path: string, body: unknown): void {
    if (Array.isArray(body)) for (const item of body.slice(0, KEPT)) this.learn(path, item);
    if (typeof body !== 'object' || body === null) return;
    for (const [key, value] of Object.entries(body)) {
      if (key === 'items') this.learn(path, value);
      else if (key === 'next_cursor') this.#add('cursor', value);
      else if (IS_REFERRED_TO.test(nameOf(path, key))) this.#add(nameOf(path, key), value);
    }
  }

  /** undefined: nothing of this name is known. */
  pick({ name, nth }: Ref): unknown {
    const values = this.#values.get(name);
    return values?.[nth % values.length];
  }

  remember(operation: string, answered: Answered): void {
    this.#keep(this.#answered, operation, answered);
  }

  answered(operation: string, nth: number): Answered | undefined {
    const all = this.#answered.get(operation);
    return all?.[nth % all.length];
  }

  /** Puts what is known into the place of each Ref, at any depth; a field whose Ref is not known is left out. */
  fill(value: unknown): unknown {
    if (value instanceof Ref) return this.pick(value);
    if (typeof value !== 'object' || value === null) return value;
    if (Array.isArray(value)) return value.map((item) => this.fill(item));
    const fields = Object.entries(value).map(([key, field]) => [key, this.fill(field)]);
    return Object.fromEntries(fields.filter(([, field]) => field !== undefined));
  }

  #add(name: string, value: unknown): void {
    if (value !== null && !this.#values.get(name)?.includes(value)) this.#keep(this.#values, name, value);
  }

  #keep<T>(map: Map<string, T[]>, name: string, value: T): void {
    const values = map.get(name) ?? [];
    values.push(value);
    if (values.length > KEPT) values.shift();
    map.set(name, values);
  }
}

/** The name by which others refer to a field: the `id` of `/orders/{id}` is an `order_id`. */
export function nameOf(path: string, key: string): string {
  if (key !== 'id') return key;
  const collection = path.split('/').findLast((segment) => segment !== '' && !segment.startsWith('{'));
  return `${(collection ?? '').replace(/s$/, '')}_id`;
}
