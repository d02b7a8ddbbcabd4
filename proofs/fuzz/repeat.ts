import { isDeepStrictEqual } from 'node:util';
import type { Operation } from './documents.ts';
import type { Answered } from './known.ts';
import { bytesOf, type Draft } from './request.ts';

/** A request that was answered already, under the same key; while there is none, `draft`. */
export function repeated(operation: Operation, draft: Draft, nth: number): Draft {
  return (known) => {
    const answered = known.answered(operation.name, nth);
    const request = draft(known);
    if (!answered) return request;
    const { target, headers, content, reply: first } = answered;
    const body = bytesOf(content);
    return { ...request, what: 'again', target, headers, content, body, expect: { is: 'again', first } };
  };
}

/** Another body under a key that was answered already, for the same user. */
export function reusedKey(operation: Operation, draft: Draft, nth: number): Draft {
  return (known) => {
    const answered = known.answered(operation.name, nth);
    const request = draft(known);
    if (!answered) return request;
    const { target, headers, reply: first } = answered;
    const content = { ...(request.content as object), ...idsOf(answered) };
    const isSame = isDeepStrictEqual(content, answered.content);
    return {
      ...request,
      kind: 'nearly valid',
      what: 'another body under a key that was used',
      target,
      headers,
      content,
      body: bytesOf(content),
      expect: isSame ? { is: 'again', first } : { is: 'refused', codes: ['idempotency_key_reused'] },
    };
  };
}

/** A key belongs to its user. */
function idsOf({ content }: Answered): object {
  return Object.fromEntries(Object.entries(content as object).filter(([name]) => name.endsWith('_id')));
}
