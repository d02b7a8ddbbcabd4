export { type Client, type ClientOptions, createClient, LOCAL, type Urls } from './client.ts';
export {
  InexactSumError,
  NoAnswerError,
  PendingOrderError,
  ProblemError,
  UnexpectedReplyError,
} from './errors.ts';
export type { CallOptions } from './limits.ts';
export type { Listing, Page } from './listing.ts';
export type { ProblemCode } from './schema.ts';
export type {
  Account,
  FinalOrder,
  NewNotification,
  NewOrder,
  NewUser,
  Notification,
  Order,
  Transfer,
  TrialBalance,
  User,
  Withdrawal,
} from './types.ts';
