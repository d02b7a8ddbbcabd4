/** Accounts, deposits, withdrawals, statements and the trial balance over HTTP. */
import {
  Account,
  AmountBody,
  NewAccount,
  Transfer,
  TrialBalance,
  Withdrawal,
} from '@stream-processing/contracts/billing.ts';
import { Consistency, Exact, Id, List, PageQuery } from '@stream-processing/contracts/common.ts';
import { withdrawalMessage } from '@stream-processing/contracts/letters.ts';
import { fromMinor, toMinor } from '@stream-processing/contracts/money.ts';
import { LOCALES } from '@stream-processing/contracts/names.ts';
import { coalesce } from '@stream-processing/runtime/coalesce.ts';
import type { Room } from '@stream-processing/runtime/definition.ts';
import type { App } from '@stream-processing/runtime/http.ts';
import { keysetOf } from '@stream-processing/runtime/page.ts';
import {
  BODY_PROBLEMS,
  execute,
  findFresh,
  IdempotencyHeaders,
  problemReply,
  problems,
  send,
  tellVisible,
} from '@stream-processing/runtime/requests.ts';
import type { Command, Decision, State } from './decide.ts';
import { findAccount, listTransfers, toAccount, trialBalance } from './views.ts';

const tags = ['accounts'];
const params = Exact({ user_id: Id });
const consistency = Exact({ consistency: Consistency });
const headers = IdempotencyHeaders;

export function routes(app: App, room: Room<State, Command, Decision>): void {
  const open = {
    tags,
    operationId: 'openAccount',
    summary: "A user's account, which opened by itself with the user; a second call gets the same reply",
    body: NewAccount,
    headers,
    response: { 201: Account, ...problems('user_not_found', 'not_fresh', ...BODY_PROBLEMS) },
  };
  app.post('/accounts', { schema: open }, async (request, response) => {
    const { user_id } = request.body;
    const result = await execute(room, request, {
      command: { type: 'FindAccount', user_id },
      user_id,
      missing: 'user_not_found',
      reply: ({ account }) => ({ status: 201, body: toAccount(account!) }),
    });
    return send(response, result);
  });

  const read = {
    tags,
    operationId: 'getAccount',
    summary: 'Balance of an account',
    params,
    querystring: consistency,
    response: { 200: Account, ...problems('invalid_parameter', 'account_not_found', 'not_fresh') },
  };
  app.get('/accounts/:user_id', { schema: read }, async (request) => {
    const { user_id } = request.params;
    const reading = { user_id, ...request.query };
    const account = await findFresh(room, reading, () => findAccount(room.sql, user_id), 'account_not_found');
    return tellVisible(room, { user_ids: [user_id], ...request.query }, account);
  });

  const deposit = {
    tags,
    operationId: 'deposit',
    summary: 'Put money into an account',
    params,
    body: AmountBody,
    headers,
    response: {
      200: Account,
      ...problems(
        'invalid_parameter',
        'account_not_found',
        'balance_limit_exceeded',
        'not_fresh',
        ...BODY_PROBLEMS,
      ),
    },
  };
  app.post('/accounts/:user_id/deposit', { schema: deposit }, async (request, response) => {
    const { user_id } = request.params;
    const result = await execute(room, request, {
      command: { type: 'Deposit', user_id, amount: toMinor(request.body.amount)!, now: new Date() },
      user_id,
      missing: 'account_not_found',
      reply: ({ outcome, account }) =>
        outcome === 'transferred'
          ? { status: 200, body: toAccount(account) }
          : problemReply('balance_limit_exceeded'),
    });
    return send(response, result);
  });

  const withdraw = {
    tags,
    operationId: 'withdraw',
    summary: 'Take money out of an account, if it holds enough',
    params,
    body: AmountBody,
    headers,
    response: {
      200: Withdrawal,
      ...problems('invalid_parameter', 'account_not_found', 'not_fresh', ...BODY_PROBLEMS),
    },
  };
  app.post('/accounts/:user_id/withdraw', { schema: withdraw }, async (request, response) => {
    const { user_id } = request.params;
    const result = await execute(room, request, {
      command: { type: 'Withdraw', user_id, amount: toMinor(request.body.amount)!, now: new Date() },
      user_id,
      missing: 'account_not_found',
      reply({ outcome, account }) {
        const withdrawn = outcome === 'transferred';
        const message = withdrawalMessage(account?.locale ?? LOCALES[0], withdrawn);
        return { status: 200, body: { user_id, balance: fromMinor(account!.balance), withdrawn, message } };
      },
    });
    return send(response, result);
  });

  const statement = {
    tags,
    operationId: 'listTransfers',
    summary: 'Every transfer of an account, in its order, with the balance after it',
    params,
    querystring: Exact({ consistency: Consistency, ...PageQuery }),
    response: { 200: List(Transfer), ...problems('invalid_parameter', 'account_not_found', 'not_fresh') },
  };
  app.get('/accounts/:user_id/transfers', { schema: statement }, async (request) => {
    const { user_id } = request.params;
    const { consistency, ...page } = request.query;
    const keyset = keysetOf(page);
    const reading = { user_id, consistency };
    await findFresh(room, reading, () => findAccount(room.sql, user_id), 'account_not_found');
    const found = await listTransfers(room.sql, user_id, keyset);
    return tellVisible(room, { user_ids: [user_id], consistency }, found);
  });

  const totals = {
    tags,
    operationId: 'getTrialBalance',
    summary: 'Totals per kind of account; all balances sum to zero',
    response: { 200: TrialBalance, ...problems() },
  };
  // It reads all accounts: whoever asks meanwhile shares the next one.
  const balance = coalesce(async (asked: null[]) => {
    const found = await trialBalance(room.sql, room.currency);
    return asked.map(() => found);
  });
  app.get('/trial-balance', { schema: totals }, () => balance(null));
}
