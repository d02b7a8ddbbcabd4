/** Users over HTTP. */
import { Consistency, Exact, Id, List, PageQuery } from '@stream-processing/contracts/common.ts';
import { LOCALES } from '@stream-processing/contracts/names.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';
import { NewUser, User } from '@stream-processing/contracts/users.ts';
import type { Room } from '@stream-processing/runtime/definition.ts';
import type { App } from '@stream-processing/runtime/http.ts';
import { keysetOf } from '@stream-processing/runtime/page.ts';
import {
  BODY_PROBLEMS,
  execute,
  IdempotencyHeaders,
  problemReply,
  problems,
  send,
  tellVisible,
} from '@stream-processing/runtime/requests.ts';
import type { Command, Decision, State } from './decide.ts';
import { findUser, listUsers, toUser } from './views.ts';

const tags = ['users'];

export function routes(app: App, room: Room<State, Command, Decision>): void {
  const create = {
    tags,
    operationId: 'createUser',
    summary: 'Create a user; a billing account opens by itself',
    body: NewUser,
    headers: IdempotencyHeaders,
    response: { 201: User, ...problems('email_taken', ...BODY_PROBLEMS) },
  };
  app.post('/users', { schema: create }, async (request, response) => {
    const { email, name, locale = LOCALES[0] } = request.body;
    const result = await execute(room, request, {
      command: { type: 'CreateUser', email, name, locale, now: new Date() },
      missing: 'user_not_found',
      reply: (decision) =>
        decision.outcome === 'created'
          ? { status: 201, body: toUser(decision.user) }
          : problemReply('email_taken'),
      userOf: ({ status, body }) => (status === 201 ? (body as User).id : undefined),
    });
    return send(response, result);
  });

  const read = {
    tags,
    operationId: 'getUser',
    summary: 'One user',
    params: Exact({ id: Id }),
    querystring: Exact({ consistency: Consistency }),
    response: { 200: User, ...problems('invalid_parameter', 'user_not_found', 'not_fresh') },
  };
  app.get('/users/:id', { schema: read }, async (request) => {
    const user = await findUser(room.sql, request.params.id);
    if (!user) throw new Problem('user_not_found');
    return tellVisible(room, { user_ids: [user.id], ...request.query }, user);
  });

  const list = {
    tags,
    operationId: 'listUsers',
    summary: 'All users, by id',
    querystring: Exact({ consistency: Consistency, ...PageQuery }),
    response: { 200: List(User), ...problems('invalid_parameter', 'not_fresh') },
  };
  app.get('/users', { schema: list }, async (request) => {
    const { consistency, ...page } = request.query;
    const found = await listUsers(room.sql, keysetOf(page));
    return tellVisible(room, { user_ids: found.items.map(({ id }) => id), consistency }, found);
  });
}
