import { List } from '@stream-processing/contracts/common.ts';
import { Notification } from '@stream-processing/contracts/notifications.ts';
import { expect, test } from 'vitest';
import { expectProblem, expectReply } from './replies.ts';
import { shareInstallation, whileLocked } from './shared-installation.ts';

const shared = shareInstallation();
const UNKNOWN = 999_999_999;
const HELLO = { email: 'other@example.org', subject: 'Hello', body: 'How are you?' };

const notify = (user_id: number, more: object = {}) =>
  shared.api.post('notification-service', '/notifications', { user_id, ...HELLO, ...more });
const list = (query: string) => shared.api.get('notification-service', `/notifications?${query}`);

test('a notification is kept as it was left, and listed', async () => {
  const user_id = await shared.api.userWith(0);
  const left = expectReply(await notify(user_id), 201, Notification);
  expect(left).toEqual({ id: left.id, user_id, order_id: null, ...HELLO, created_at: left.created_at });
  const listed = expectReply(await list(`user_id=${user_id}`), 200, List(Notification));
  expect(listed).toEqual({ items: [left], next_cursor: null });
});

test.each([
  ['several lines', { body: 'Dear Anna,\n\n\tyours\n' }],
  ['10,000 letters', { body: 'ы'.repeat(10_000) }],
  ['a subject of 200 emoji', { subject: '🙂'.repeat(200) }],
  [
    'markup, which is nothing but text',
    { subject: '<b>x</b>', body: '<script>alert(1)</script> {{user}} \\n' },
  ],
])('a notification of %s is kept letter by letter', async (_what, text) => {
  const user_id = await shared.api.userWith(0);
  const left = expectReply(await notify(user_id, text), 201, Notification);
  expect(left).toMatchObject(text);
  expect(await shared.api.letters(user_id)).toEqual([left]);
});

test.each([
  ['/subject', { subject: '' }],
  ['/subject', { subject: '   ' }],
  ['/subject', { subject: 'two\nlines' }],
  ['/subject', { subject: 'x'.repeat(201) }],
  ['/body', { body: '' }],
  ['/body', { body: 'x'.repeat(10_001) }],
  ['/body', { body: 'NUL \u0000' }],
  ['/body', { body: 'half of a letter \ud83d' }],
  ['/email', { email: 'nobody' }],
  ['/user_id', { user_id: '1' }],
  ['/user_id', { user_id: 1.5 }],
  ['/user_id', { user_id: 0 }],
  ['/order_id', { order_id: 7 }],
])('a notification whose %s is wrong is refused: %j', async (pointer, wrong) => {
  const user_id = await shared.api.userWith(0);
  expectProblem(await notify(user_id, wrong), 'invalid_body', [pointer]);
  expect(await shared.api.letters(user_id)).toEqual([]);
});

test('letters and notifications stand in one list, by id', async () => {
  const user_id = await shared.api.userWith(10);
  const { body: first } = await notify(user_id);
  const { body: order } = await shared.api.order(user_id, 3);
  expect(await shared.api.letters(user_id)).toHaveLength(2);
  const { body: last } = await notify(user_id);
  const { items } = expectReply(await list(`user_id=${user_id}`), 200, List(Notification));
  expect(items).toMatchObject([first, { order_id: order.id, body: order.message }, last]);
  expect(items.map((item) => item.id)).toEqual(items.map((item) => item.id).sort((a, b) => a - b));
});

test('a letter goes to the address of its user', async () => {
  const { body: user } = await shared.api.createUser();
  await shared.api.order(user.id, 3);
  expect(await shared.api.letters(user.id)).toMatchObject([{ email: user.email }]);
});

test('a read that cannot be fresh in time says so, and what is there can still be asked for', async () => {
  const user_id = await shared.api.userWith(10);
  await whileLocked(shared.sql, 'notification_service.notifications', async () => {
    expect((await shared.api.order(user_id, 3)).body.status).toBe('confirmed');
    expectProblem(await list(`user_id=${user_id}`), 'not_fresh');
    const there = await list(`user_id=${user_id}&consistency=eventual`);
    expect(expectReply(there, 200, List(Notification)).items).toEqual([]);
  });
  expect(expectReply(await list(`user_id=${user_id}`), 200, List(Notification)).items).toHaveLength(1);
});

test('who is unknown has no notifications and gets none', async () => {
  expectProblem(await notify(UNKNOWN), 'user_not_found');
  expectProblem(await list(`user_id=${UNKNOWN}`), 'user_not_found');
  expectProblem(await list(`user_id=${UNKNOWN}&consistency=eventual`), 'user_not_found');
  expectProblem(await list(''), 'invalid_parameter', ['user_id']);
  expectProblem(await list('user_id=x'), 'invalid_parameter', ['user_id']);
  expectProblem(await list('user_id=1&consistency=maybe'), 'invalid_parameter', ['consistency']);
});
