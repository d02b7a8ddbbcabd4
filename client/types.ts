import type { components } from './schema.ts';

type Schemas = components['schemas'];

export type User = Schemas['User'];
export type NewUser = Schemas['NewUser'];
export type Account = Schemas['Account'];
export type Withdrawal = Schemas['Withdrawal'];
export type Transfer = Schemas['Transfer'];
export type TrialBalance = Schemas['TrialBalance'];
export type Notification = Schemas['Notification'];
export type NewNotification = Schemas['NewNotification'];
export type Order = Schemas['Order'];
export type NewOrder = Schemas['NewOrder'];
export type Problem = Schemas['Problem'];

/** An order that is decided: its message is the body of its letter. */
export type FinalOrder = Order & { status: 'confirmed' | 'failed'; message: string };

export function isFinal(order: Order): order is FinalOrder {
  return order.status !== 'pending';
}
