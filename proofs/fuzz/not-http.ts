import type { Random } from '../random.ts';
import type { Operation } from './documents.ts';
import { firstValid } from './drafts.ts';
import type { Known } from './known.ts';
import type { Tally } from './tally.ts';
import { cut, dribble, type Exchange, exchange, unread, WIRE_CASES } from './wire.ts';

export interface NotHttp {
  /** An operation that takes a body; the bytes around its requests are what this is about. */
  operation: Operation;
  tally: Tally;
  cuts: number;
  rounds: number;
}

/** A request has to arrive within 15 s (docs/errors.md), which is noticed up to 5 s later. */
const SLOW = { pause_ms: 250, ms_max: 30_000 };
const DRIBBLERS = 3;
const CUT_MS_MAX = 20;
const UNREAD_MS = 1000;

/** Everything that happens to a service beneath HTTP: bytes that are no request, slow ones, and broken connections. */
export async function runNotHttp(
  lane: NotHttp,
  { known, random, signal }: { known: Known; random: Random; signal: AbortSignal },
): Promise<void> {
  const { operation, tally, cuts, rounds } = lane;
  const { target, body } = firstValid(operation)(known);
  const post = { target, body: body!.toString('latin1') };
  const whole =
    `POST ${target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${body!.length}\r\n\r\n${post.body}`;
  const ways = [
    { what: 'a slow head', at_once: `POST ${target} HTTP/1.1\r\nX-Slow: `, rest: 'x' },
    {
      what: 'a slow body',
      at_once: whole.slice(0, -body!.length).replace(/\d+\r\n\r\n$/, '5000\r\n\r\n'),
      rest: ' ',
    },
  ];
  const slow = Promise.all(
    Array.from({ length: DRIBBLERS }, () => ways)
      .flat()
      .map(async (way) => {
        const told = await dribble(operation.url, way, { ...SLOW, signal });
        if (!signal.aborted) see(tally, way.what, way.at_once, told, [[408]]);
      }),
  );
  for (let round = 0; round < rounds && !signal.aborted; round += 1) {
    for (const { what, bytes, replies } of WIRE_CASES) {
      if (signal.aborted) break;
      const sent = bytes(post);
      see(tally, what, sent, await exchange(operation.url, sent), replies);
    }
  }
  for (let i = 0; i < cuts && !signal.aborted; i += 1) {
    const bytes = whole.slice(0, random.integer(0, whole.length));
    const wait_ms = random.chance(0.5) ? 0 : random.integer(1, CUT_MS_MAX);
    await cut(operation.url, random.chance(0.3) ? whole : bytes, { reset: random.chance(0.3), wait_ms });
    tally.count('hostile', 'cut');
  }
  for (let i = 0; i < DRIBBLERS && !signal.aborted; i += 1) {
    await unread(operation.url, 'GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(500), UNREAD_MS);
    tally.count('hostile', 'unread');
  }
  await slow;
}

function see(tally: Tally, what: string, bytes: string, { statuses, broken }: Exchange, replies: number[][]) {
  tally.count('hostile', statuses.join(' then ').slice(0, 40) || 'closed');
  const isAsExpected =
    statuses.length === replies.length && statuses.every((status, i) => replies[i]!.includes(status));
  const expected = replies.map((each) => each.join(' or ')).join(', then ') || 'no reply';
  const wrong =
    broken ??
    (isAsExpected
      ? undefined
      : `it is answered ${statuses.join(', ') || 'nothing'}, not ${expected.slice(0, 100)}`);
  if (wrong === undefined) return;
  const [method = '', target = ''] = bytes.slice(0, 200).split(' ');
  const request = {
    kind: 'hostile' as const,
    what,
    method,
    target,
    headers: [],
    body: Buffer.from(bytes, 'latin1'),
  };
  tally.findings.push({ broken: wrong, request, reply: undefined });
}
