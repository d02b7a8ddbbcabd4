/** Letters and other notifications over HTTP. */
import { Consistency, Exact, Id, List, PageQuery } from '@stream-processing/contracts/common.ts';
import { NewNotification, Notification } from '@stream-processing/contracts/notifications.ts';
import { Problem } from '@stream-processing/contracts/problems.ts';
import type { Room } from '@stream-processing/runtime/definition.ts';
import type { App } from '@stream-processing/runtime/http.ts';
import { keysetOf } from '@stream-processing/runtime/page.ts';
import {
  BODY_PROBLEMS,
  execute,
  IdempotencyHeaders,
  problems,
  send,
} from '@stream-processing/runtime/requests.ts';
import type { Command, Decision, State } from './decide.ts';
import { listNotifications, toNotification } from './views.ts';

const tags = ['notifications'];

export function routes(app: App, room: Room<State, Command, Decision>): void {
  const create = {
    tags,
    operationId: 'createNotification',
    summary: 'Leave a notification for a user',
    body: NewNotification,
    headers: IdempotencyHeaders,
    response: { 201: Notification, ...problems('user_not_found', 'not_fresh', ...BODY_PROBLEMS) },
  };
  app.post('/notifications', { schema: create }, async (request, response) => {
    const result = await execute(room, request, {
      command: { type: 'Notify', ...request.body, now: new Date() },
      user_id: request.body.user_id,
      missing: 'user_not_found',
      reply: ({ notification }) => ({ status: 201, body: toNotification(notification!) }),
    });
    return send(response, result);
  });

  const list = {
    tags,
    operationId: 'listNotifications',
    summary:
      "A user's letters and notifications, by id; a letter is here as soon as its order has a final status",
    querystring: Exact({ user_id: Id, consistency: Consistency, ...PageQuery }),
    response: { 200: List(Notification), ...problems('invalid_parameter', 'user_not_found', 'not_fresh') },
  };
  app.get('/notifications', { schema: list }, async (request) => {
    const { user_id, consistency, ...page } = request.query;
    const keyset = keysetOf(page);
    if (consistency === 'fresh') await room.freshFor(user_id);
    const found = await listNotifications(room.sql, user_id, keyset);
    if (!found) throw new Problem('user_not_found');
    return found;
  });
}
