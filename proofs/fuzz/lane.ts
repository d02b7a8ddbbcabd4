import type { Operation } from './documents.ts';
import { judge } from './judge.ts';
import type { Known } from './known.ts';
import type { Draft, Request } from './request.ts';
import type { Check } from './schema.ts';
import { Connection, type NoReply, type Reply } from './send.ts';
import type { Tally } from './tally.ts';

export interface Lane {
  operation: Operation;
  drafts: Draft[];
  tally: Tally;
}

export interface LaneOptions {
  known: Known;
  /** The form of all refusals. */
  problem: Check;
  signal: AbortSignal;
  /** Milliseconds until a request counts as hanging. */
  replyMs?: number;
}

/** Sends the requests of one operation, one after another, and judges each reply. */
export async function runLane(lane: Lane, { known, problem, signal, replyMs }: LaneOptions): Promise<void> {
  const { operation, drafts, tally } = lane;
  const connection = new Connection(operation.url);
  try {
    for (const draft of drafts) {
      if (signal.aborted) return;
      const request = draft(known);
      const reply = await connection.send(request, replyMs);
      if (signal.aborted) return;
      tally.count(request.kind, 'lost' in reply ? reply.lost : reply.status);
      const found = judge(operation, request, reply, problem);
      for (const broken of found) tally.findings.push({ broken, request, reply });
      if (found.length === 0) learn(operation, request, reply, known);
    }
  } finally {
    connection.close();
  }
}

function learn(operation: Operation, request: Request, reply: Reply | NoReply, known: Known): void {
  if ('lost' in reply || reply.status >= 300 || request.stray) return;
  if (!reply.headers['content-type']?.startsWith('application/json')) return;
  known.learn(operation.path, JSON.parse(reply.body.toString()));
  const { target, headers, content } = request;
  const isKeyed = headers.some(([name]) => name === 'idempotency-key');
  const isFirst = reply.headers['idempotency-replayed'] === undefined;
  // Of the others the content is not what was sent.
  if (isKeyed && isFirst && request.kind === 'valid')
    known.remember(operation.name, { target, headers, content, reply });
}
