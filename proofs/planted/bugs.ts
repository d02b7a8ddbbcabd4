/**
 * Bugs that systems of this kind have had, each as edits to this one. `npm run planted` makes them one at a time, in a copy, and
 * expects the instrument that is named to find each.
 */
import { BUGS_OF_HTTP } from './bugs-of-http.ts';
import type { Edit } from './edits.ts';

export interface Bug {
  name: string;
  /** Which promise it breaks, and when. */
  breaks: string;
  edits: Edit[];
  /** The instrument that finds it soonest; of the tests the file that does. */
  foundBy: 'simulate' | 'soak' | 'fuzz' | `${string}.test.ts`;
  /** Where the fuzzer looks: part of its operation's name. */
  operation?: string;
}

export const BUGS: Bug[] = [
  {
    name: 'acknowledge before commit',
    breaks: 'requests are answered while their transaction can still fail',
    edits: [
      {
        file: 'runtime/share.ts',
        find: '    return append(own, this.#outbox, now);',
        replace: `    for (const { unit, fate } of this.#fates) if (!unit.cursor) answer(unit, fate);
    return append(own, this.#outbox, now);`,
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'cursor moved outside the transaction',
    breaks: 'effects are committed first, the cursor after them: a crash in between applies events again',
    edits: [
      {
        file: 'runtime/share.ts',
        find: '    moveCursors(own, this.#moves);',
        replace: '',
      },
      {
        file: 'runtime/share.ts',
        find: '  announce(): void {',
        replace: `  move(tx: Tx): void {
    moveCursors(tx.in(this.#options.schema), this.#moves);
  }

  announce(): void {`,
      },
      afterCommit('share.move(tx)'),
    ],
    foundBy: 'simulate',
  },
  {
    name: 'cursor without compare-and-set',
    breaks: 'two owners of a partition both apply the same events',
    edits: [
      {
        file: 'runtime/cursors.ts',
        find: ' and c.position = m.expected',
        replace: '',
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'balance read without lock',
    breaks: 'two instances read a balance, both write what they made of it, and one of the two is lost',
    edits: [
      {
        file: 'services/billing-service/store.ts',
        find: 'order by id for update',
        replace: 'order by id',
      },
      // Where it is locked this never fails.
      {
        file: 'services/billing-service/store.ts',
        find: ' and a.sequence = n.expected',
        replace: '',
      },
    ],
    foundBy: 'soak',
  },
  {
    name: 'accounts carried over without compare-and-set',
    breaks: 'a process that does not know of another one pays from a balance that the other has changed',
    edits: [
      {
        file: 'services/billing-service/store.ts',
        find: ' and a.sequence = n.expected',
        replace: '',
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'letter written on a repeated event',
    breaks:
      'a second owner of a partition writes its letters once more: neither cursor nor table refuse them',
    edits: [
      {
        file: 'runtime/cursors.ts',
        find: 'c.position = m.expected',
        // In the schema of notification-service alone.
        replace: "(c.position = m.expected or to_regclass('notifications') is not null)",
      },
      {
        file: 'services/notification-service/migrations/001.do.notifications.sql',
        find: 'create unique index notifications_of_order',
        replace: 'create index notifications_of_order',
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'append without the head lock',
    breaks: 'two writers read the same head, and give the same positions to different events',
    edits: [
      {
        file: 'runtime/append.ts',
        find: `      select partition from log_head where partition = any(\${touched}::int[]) order by partition for update
    ), moved as (
      update log_head h set position = h.position + e.count`,
        replace: `      select partition, position from log_head where partition = any(\${touched}::int[]) order by partition
    ), moved as (
      update log_head h set position = l.position + e.count`,
      },
      {
        file: 'runtime/append.ts',
        find: 'as e (partition, count, expected)\n',
        replace: 'as e (partition, count, expected) join locked l using (partition)\n',
      },
      {
        file: 'runtime/append.ts',
        find: 'and h.position = coalesce(e.expected, h.position)',
        replace: 'and l.position = coalesce(e.expected, l.position)',
      },
      {
        file: 'runtime/append.ts',
        find: 'h.position - e.count as before',
        replace: 'l.position as before',
      },
    ],
    foundBy: 'runtime/log-postgres.test.ts',
  },
  {
    name: 'position gap skipped',
    breaks: 'an event that is not there yet is passed over, and never applied',
    edits: [
      {
        file: 'runtime/processor.ts',
        find: '    if (event.position > expected) {',
        replace: `    expected = event.position;
    if (event.position > expected) {`,
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'idempotency reply stored in a second transaction',
    breaks: 'a crash between the two forgets the key of what was done, and its repetition does it again',
    edits: [
      {
        file: 'runtime/share.ts',
        find: '    this.#replies.save(own);',
        replace: '',
      },
      {
        file: 'runtime/share.ts',
        find: '  announce(): void {',
        replace: `  keepReplies(tx: Tx): void {
    this.#replies.save(tx.in(this.#options.schema));
  }

  announce(): void {`,
      },
      afterCommit('share.keepReplies(tx)'),
    ],
    foundBy: 'simulate',
  },
  {
    name: 'events removed that a follower has not passed',
    breaks: 'old events go whoever still needs them',
    edits: [
      {
        file: 'runtime/retention.ts',
        find: `
          and position <= (select position from slowest)`,
        replace: '',
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'retry with a fresh key',
    // Services retry by themselves at one place under a caller's key: after the fresh wait for a user that was not known.
    breaks:
      'the second try of a request goes by a key of its own, so a repetition under the first one does it again',
    edits: [
      {
        file: 'runtime/requests.ts',
        find: `    await room.freshFor(user_id);
    result = await room.pipeline.submit(traced, options);`,
        replace: `    await room.freshFor(user_id);
    const idempotency = options.idempotency && { ...options.idempotency, key: String(Math.random()) };
    result = await room.pipeline.submit(traced, { ...options, idempotency });`,
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'decided order decided again',
    breaks: 'a second result replaces the one that the caller was told',
    edits: [
      {
        file: 'services/order-service/decide.ts',
        find: `  if (order.status !== 'pending')
    throw new Error(\`order \${order.id} is \${order.status} and was decided again\`);
`,
        replace: '',
      },
    ],
    foundBy: 'services/order-service/decide.test.ts',
  },
  {
    name: 'fresh read that does not wait',
    breaks: 'who holds a reply does not find its effects at another service',
    edits: [
      {
        file: 'runtime/progress.ts',
        find: '    if (waits.known(partition) >= end) return;',
        replace: '    if (end >= 0) return;',
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'pending order read as it is',
    breaks:
      'who was told the result of an order, by its letter or a statement, still reads that it is pending',
    edits: [
      {
        file: 'services/order-service/api.ts',
        find: '      await room.freshFor(order.user_id);\n',
        replace: '',
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'refusal of just what is there',
    breaks: 'an order for all that an account holds is not paid, and its letter is of grief',
    edits: [
      {
        file: 'services/billing-service/ledger.ts',
        find: 'debited.balance < 0n',
        replace: 'debited.balance <= 0n',
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'keys of all users in one',
    breaks: 'who uses a key that somebody else used too gets the other reply, and no effect',
    edits: [
      {
        file: 'runtime/idempotency.ts',
        find: 'function nameOf({ scope, key }: { scope: string; key: string }): string {',
        replace: `function nameOf({ key }: { scope: string; key: string }): string {
  if (key) return key;
  const scope = '';`,
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'statement with the balance of the other side',
    breaks: 'a statement tells what the books of the house hold',
    edits: [
      {
        file: 'services/billing-service/views.ts',
        find: 'debit_balance as balance',
        replace: 'credit_balance as balance',
      },
    ],
    foundBy: 'simulate',
  },
  {
    name: 'queue without bound',
    breaks:
      'what is more than can be served waits, for ever longer and in memory, where it should be refused',
    edits: [
      {
        file: 'runtime/pipeline.ts',
        find: "    if (this.full) return Promise.reject(new Problem('overloaded'));\n",
        replace: '',
      },
    ],
    foundBy: 'runtime/pipeline.test.ts',
  },
  ...BUGS_OF_HTTP,
];

/** In a transaction of its own, after that of the effects. */
function afterCommit(statement: string): Edit {
  return {
    file: 'runtime/transaction.ts',
    find: '  // Positions are in the answer to the commit.',
    replace: `  for (const { share } of saved) await sql.begin(async (tx) => ${statement});
  // Positions are in the answer to the commit.`,
  };
}
