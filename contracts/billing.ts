import Type, { type Static } from 'typebox';
import { Amount, Exact, Id, MinorUnits, Sum, Time } from './common.ts';

export const NewAccount = Exact({ user_id: Id }, { title: 'NewAccount' });
export const AmountBody = Exact({ amount: Amount }, { title: 'AmountBody' });

export const Account = Exact({ user_id: Id, balance: Sum }, { title: 'Account' });
export type Account = Static<typeof Account>;

export const Withdrawal = Exact(
  {
    user_id: Id,
    balance: Sum,
    withdrawn: Type.Boolean({ description: 'false: too little money, the balance is as it was.' }),
    message: Type.String(),
  },
  { title: 'Withdrawal' },
);

export const TRANSFER_KINDS = ['deposit', 'withdrawal', 'payment'] as const;
export type TransferKind = (typeof TRANSFER_KINDS)[number];

export const Transfer = Exact(
  {
    id: Id,
    kind: Type.Enum([...TRANSFER_KINDS]),
    amount: Sum,
    balance: Type.Number({ description: 'Balance of the account after this transfer.' }),
    sequence: Type.Integer({ minimum: 1, description: '1, 2, 3 … within the account, without gaps.' }),
    order_id: Type.Union([Id, Type.Null()]),
    created_at: Time,
  },
  { title: 'Transfer' },
);

export const TrialBalance = Exact(
  {
    totals: Type.Array(Exact({ kind: Type.String(), accounts: Type.Integer(), balance: Sum })),
    sum: Sum,
    balanced: Type.Boolean({ description: 'true: all balances sum to zero.' }),
    currency: Type.String(),
  },
  { title: 'TrialBalance' },
);

/** What billing decided about an order. */
const Payment = { order_id: Id, user_id: Id, price: MinorUnits, currency: Type.String(), decided_at: Time };

export const PaymentCompleted = Exact(Payment, {
  description: 'The order is paid: its price was debited, once.',
});
export const PaymentDeclined = Exact(
  { ...Payment, reason: Type.Literal('insufficient_funds') },
  { description: 'The account holds less than the price: nothing was debited.' },
);

export const BILLING_EVENTS = { PaymentCompleted, PaymentDeclined };
