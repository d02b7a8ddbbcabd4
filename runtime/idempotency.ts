import { createHash } from 'node:crypto';
import { parseKeepingDigits } from './json.ts';
import type { Tx } from './sql.ts';

/** What the caller is told: kept under its Idempotency-Key in the transaction of the effect. */
export interface Reply {
  status: number;
  body: object;
}

/** A key belongs to one route and one user; `request` tells a repetition from another request with the same key. */
export interface Idempotency {
  scope: string;
  key: string;
  request: Buffer;
}

/** What is kept under keys: read for the keys of one batch, then added to as the batch is decided. */
export class Replies {
  readonly #known: Map<string, { request: Buffer; reply: Reply }>;
  readonly #added: { id: Idempotency; reply: Reply }[] = [];

  constructor(known: Map<string, { request: Buffer; reply: Reply }>) {
    this.#known = known;
  }

  static async load(tx: Tx, keys: Idempotency[]): Promise<Replies> {
    if (keys.length === 0) return new Replies(new Map());
    const [scopes, names] = [keys.map((k) => k.scope), keys.map((k) => k.key)];
    const rows = await tx<{ scope: string; key: string; request: Buffer; status: number; body: string }[]>`
      select i.scope, i.key, i.request, i.status, i.body::text
      from (select distinct * from unnest(${scopes}::text[], ${names}::text[])) as k (scope, key)
      cross join lateral (
        -- \`offset 0\`: one look into the index for each, whatever the planner would rather do. As conditions on all scopes and all
        -- keys, PostgreSQL before 17 looks for every pair of them: a million for a batch of a thousand.
        select * from idempotency i where i.scope = k.scope and i.key = k.key offset 0
      ) as i`;
    return new Replies(
      new Map(
        rows.map((row) => [
          nameOf(row),
          {
            request: row.request,
            reply: { status: row.status, body: parseKeepingDigits(row.body) as object },
          },
        ]),
      ),
    );
  }

  /** The first reply under this key; `reused` when that reply answered another request. */
  find(id: Idempotency): Reply | 'reused' | undefined {
    const found = this.#known.get(nameOf(id));
    if (!found) return undefined;
    return found.request.equals(id.request)
      ? { status: found.reply.status, body: found.reply.body }
      : 'reused';
  }

  add(id: Idempotency, reply: Reply): void {
    this.#known.set(nameOf(id), { request: id.request, reply });
    this.#added.push({ id, reply });
  }

  /** A plain insert: when another instance kept the same key meanwhile, the batch is decided again and finds it. */
  save(tx: Tx): void {
    const added = this.#added;
    if (added.length === 0) return;
    void tx`
      insert into idempotency (scope, key, request, status, body)
      select scope, key, decode(request, 'hex'), status, body from unnest(
        ${added.map((a) => a.id.scope)}::text[], ${added.map((a) => a.id.key)}::text[],
        ${added.map((a) => a.id.request.toString('hex'))}::text[],
        ${added.map((a) => a.reply.status)}::int[], ${added.map((a) => JSON.stringify(a.reply.body))}::text[]::json[]
      ) as a (scope, key, request, status, body)`;
  }
}

/** The same for bodies that differ only in the order of their fields. */
export function fingerprint(body: unknown): Buffer {
  return createHash('sha256').update(canonical(body)).digest();
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner) =>
    inner && typeof inner === 'object' && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}

function nameOf({ scope, key }: { scope: string; key: string }): string {
  return `${scope}\n${key}`;
}
