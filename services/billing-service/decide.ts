import type { BILLING_EVENTS } from '@stream-processing/contracts/billing.ts';
import type { Locale } from '@stream-processing/contracts/names.ts';
import { type Account, post, type Refusal, systemAccountId, type Transfer, userAccount } from './ledger.ts';

/** Amounts in minor units. */
export type Command =
  | { type: 'OpenAccount'; user_id: number; locale: Locale }
  | { type: 'FindAccount'; user_id: number }
  | { type: 'Deposit'; user_id: number; amount: bigint; now: Date }
  | { type: 'Withdraw'; user_id: number; amount: bigint; now: Date }
  | { type: 'PayOrder'; user_id: number; order_id: number; price: bigint; now: Date };

export interface State {
  partitions: number;
  currency: string;
  /** The accounts that the batch concerns, as the decisions so far leave them. */
  accounts: Map<number, Account>;
}

export type BillingEvent = { type: keyof typeof BILLING_EVENTS; user_id: number; data: object };

export type Decision =
  | {
      outcome: 'unknown_account';
      missing: true;
      account?: never;
      transfer?: never;
      refusal?: never;
      events?: never;
    }
  | {
      outcome: 'opened' | 'found' | 'transferred' | 'refused';
      missing?: never;
      /** The user's account after this decision. */
      account: Account;
      transfer?: Transfer;
      refusal?: Refusal;
      events?: BillingEvent[];
    };

export function decide(state: State, command: Command): Decision {
  const account = state.accounts.get(command.user_id);
  if (command.type === 'OpenAccount') {
    if (account) return { outcome: 'found', account };
    return { outcome: 'opened', account: userAccount(command.user_id, command.locale) };
  }
  if (!account) return { outcome: 'unknown_account', missing: true };
  switch (command.type) {
    case 'FindAccount':
      return { outcome: 'found', account };
    case 'Deposit': {
      const cash = systemAccount(state, 'cash', command.user_id);
      const { amount, now } = command;
      return settle(
        account,
        post(cash, account, { kind: 'deposit', order_id: null, amount, created_at: now }),
      );
    }
    case 'Withdraw': {
      const cash = systemAccount(state, 'cash', command.user_id);
      const { amount, now } = command;
      return settle(
        account,
        post(account, cash, { kind: 'withdrawal', order_id: null, amount, created_at: now }),
      );
    }
    case 'PayOrder': {
      const revenue = systemAccount(state, 'revenue', command.user_id);
      const { order_id, price, now } = command;
      const entry = { kind: 'payment', order_id, amount: price, created_at: now } as const;
      const decision = settle(account, post(account, revenue, entry));
      return { ...decision, events: [paymentEvent(command, state.currency, decision.refusal)] };
    }
  }
}

export function apply(state: State, decision: Decision): void {
  if (decision.transfer) {
    const { debited, credited } = decision.transfer;
    state.accounts.set(debited.id, debited);
    state.accounts.set(credited.id, credited);
  } else if (decision.outcome === 'opened') {
    state.accounts.set(decision.account.id, decision.account);
  }
}

function settle(account: Account, posted: Transfer | Refusal) {
  if (typeof posted === 'string') return { outcome: 'refused' as const, account, refusal: posted };
  const after = posted.debited.id === account.id ? posted.debited : posted.credited;
  return { outcome: 'transferred' as const, account: after, transfer: posted };
}

/** A system account comes into being with its first transfer. */
function systemAccount(state: State, kind: 'cash' | 'revenue', user_id: number): Account {
  const id = systemAccountId(kind, user_id % state.partitions);
  return state.accounts.get(id) ?? { id, kind, locale: null, balance: 0n, sequence: 0 };
}

function paymentEvent(
  { order_id, user_id, price, now }: Extract<Command, { type: 'PayOrder' }>,
  currency: string,
  refusal: Refusal | undefined,
): BillingEvent {
  const data = { order_id, user_id, price: Number(price), currency, decided_at: now.toISOString() };
  if (!refusal) return { type: 'PaymentCompleted', user_id, data };
  // Revenue never exceeds what cash took in, and deposits keep that within the limit.
  if (refusal !== 'insufficient_funds')
    throw new Error(`order ${order_id}: a payment cannot end in ${refusal}`);
  return { type: 'PaymentDeclined', user_id, data: { ...data, reason: refusal } };
}
