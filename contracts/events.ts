import Type from 'typebox';
import { BILLING_EVENTS } from './billing.ts';
import { Exact, Id, Time } from './common.ts';
import { ORDER_EVENTS } from './orders.ts';
import { USER_EVENTS } from './users.ts';

/** What each service says in its log; notification-service has nothing to say. */
export const EVENTS = {
  'user-service': USER_EVENTS,
  'billing-service': BILLING_EVENTS,
  'order-service': ORDER_EVENTS,
} as const;

/** What a log keeps of each event beside its data. */
export const Envelope = Exact({
  type: Type.String({ description: 'Name of the event.' }),
  partition: Type.Integer({
    minimum: 0,
    maximum: 1023,
    description: '`user_id mod PARTITIONS`; the same users are in the same partition of every log.',
  }),
  position: Type.Integer({
    minimum: 1,
    maximum: Number.MAX_SAFE_INTEGER,
    description:
      '1, 2, 3 … within the partition, without gaps. At or below what was applied: a repetition, to be dropped. A gap: stop.',
  }),
  user_id: { ...Id, description: 'The user of whom the event speaks; it decides the partition.' },
  trace: Type.Union([Type.String({ pattern: '^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$' }), Type.Null()], {
    description: '`traceparent` (W3C Trace Context) of the request that caused the event.',
  }),
  created_at: { ...Time, description: 'Begin of the transaction that wrote the event.' },
});
