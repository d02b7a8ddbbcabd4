import { SERVICES, type ServiceName } from '@stream-processing/contracts/names.ts';
import { connect, type Sql, schemaOf, type Tx } from '@stream-processing/runtime/sql.ts';
import { BILLING } from './billing.ts';
import { type Finding, type Invariant, type Looks, offenceText } from './invariant.ts';
import { LOGS } from './logs.ts';
import { ORDERS } from './orders.ts';
import { REPLIES } from './replies.ts';
import { USERS } from './users.ts';

export const INVARIANTS: Invariant[] = [...BILLING, ...LOGS, ...USERS, ...ORDERS, ...REPLIES];

export interface AuditOptions {
  /** Nothing is under way: what is true only then is looked at too. */
  atRest: boolean;
  /** Nothing else is looked at. */
  only?: 'atRest';
  told?: (invariant: Invariant, finding: Finding) => void;
}

/** Looks at every invariant; answers those that do not hold. */
export async function audit(
  looks: Looks,
  { atRest, only, told }: AuditOptions,
): Promise<{ invariant: Invariant; finding: Finding }[]> {
  const broken = [];
  for (const invariant of INVARIANTS) {
    if (invariant.atRest ? !atRest : only === 'atRest') continue;
    const finding = await invariant.look(looks);
    told?.(invariant, finding);
    if (finding.offences.length > 0) broken.push({ invariant, finding });
  }
  return broken;
}

/**
 * Looks at an installation's databases. Each is seen in one snapshot, but several are seen a moment apart: consumers
 * before those whose logs they apply.
 */
export async function withLooks<T>(
  urls: Record<ServiceName, string>,
  work: (looks: Looks) => Promise<T>,
): Promise<T> {
  const order: ServiceName[] = ['notification-service', 'order-service', 'billing-service', 'user-service'];
  const pools = new Map<string, Sql>();
  const begin = async (urlsLeft: string[], txs: Map<string, Tx>): Promise<T> => {
    const [url, ...rest] = urlsLeft;
    if (url === undefined) {
      return work(looksOf((service) => txs.get(urls[service])!));
    }
    return pools.get(url)!.begin(async (tx) => {
      // Whole tables are read, once: other plans than those of the services suit that.
      await tx.unsafe(
        `set transaction isolation level repeatable read, read only;
        set local enable_seqscan = on; set local plan_cache_mode = auto; set local enable_nestloop = on`,
      );
      await tx`select 1`;
      return begin(rest, new Map([...txs, [url, tx]]));
    });
  };
  const distinct = [...new Set(order.map((service) => urls[service]))];
  for (const url of distinct) {
    pools.set(
      url,
      connect(url, { max: 1, name: 'audit', schema: 'pg_catalog', lasting: true, standby: true }),
    );
  }
  try {
    return await begin(distinct, new Map());
  } finally {
    await Promise.all([...pools.values()].map((sql) => sql.end()));
  }
}

/** Each service's tables, by the transaction that sees them. */
export function looksOf(txOf: (service: ServiceName) => Tx): Looks {
  return Object.fromEntries(
    SERVICES.map((service) => [service, txOf(service).in(schemaOf(service))]),
  ) as Looks;
}

/** Of what `audit` found, a line each, with the first offences. */
export function lines(broken: Awaited<ReturnType<typeof audit>>): string[] {
  return broken.map(({ invariant, finding }) => {
    const first = finding.offences.slice(0, 3).map(offenceText);
    return `not so: ${invariant.name}: ${first.join(', ')}`;
  });
}
