import { KINDS, type Kind, type Request } from './request.ts';
import type { NoReply, Reply } from './send.ts';

/** What was sent to one operation, and what came of it. */
export class Tally {
  readonly name: string;
  /** Something is wrong with the requests, if none is ever served. */
  readonly mustServe: boolean;
  readonly findings: Finding[] = [];
  readonly kinds = Object.fromEntries(KINDS.map((kind) => [kind, 0])) as Record<Kind, number>;
  readonly #statuses = new Map<string, number>();

  constructor(name: string, mustServe = false) {
    this.name = name;
    this.mustServe = mustServe;
  }

  get sent(): number {
    return KINDS.reduce((sum, kind) => sum + this.kinds[kind], 0);
  }

  /** Were some of the requests served? Else nothing behind the operation's checks was ever reached. */
  get served(): boolean {
    return [...this.#statuses.keys()].some((status) => status.startsWith('2'));
  }

  count(kind: Kind, outcome: number | string): void {
    this.kinds[kind] += 1;
    this.#statuses.set(String(outcome), (this.#statuses.get(String(outcome)) ?? 0) + 1);
  }

  line(): string {
    const kinds = KINDS.map((kind) => `${this.kinds[kind]} ${kind}`).join(', ');
    const statuses = [...this.#statuses].sort().map(([status, count]) => `${status}: ${count}`);
    return `${this.name}\n  ${kinds}; ${statuses.join(', ')}; findings: ${this.findings.length}`;
  }
}

export interface Finding {
  /** The oracle, in words. */
  broken: string;
  request: Pick<Request, 'kind' | 'what' | 'method' | 'target' | 'headers' | 'body'>;
  reply: Reply | NoReply | undefined;
  /** What the service wrote about it. */
  log?: string | undefined;
}

const TEXT_MAX = 400;

export function findingText(operation: string, { broken, request, reply, log }: Finding): string {
  const { kind, what, method, target, headers, body } = request;
  const lines = [
    `FOUND at ${operation}: ${broken}`,
    `  ${kind}: ${what}`,
    `  > ${method} ${short(target)}`,
    ...headers.slice(0, 12).map(([name, value]) => `  > ${short(name)}: ${short(value)}`),
    ...(headers.length > 12 ? [`  > … ${headers.length} headers`] : []),
    ...(body ? [`  > ${short(JSON.stringify(body.toString()))}`] : []),
  ];
  if (reply && 'status' in reply) lines.push(`  < ${reply.status} ${short(reply.body.toString())}`);
  if (log) lines.push(`  log: ${short(log)}`);
  return lines.join('\n');
}

function short(text: string): string {
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}… (${text.length} characters)` : text;
}
