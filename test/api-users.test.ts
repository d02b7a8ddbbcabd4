import { randomUUID } from 'node:crypto';
import { Account } from '@stream-processing/contracts/billing.ts';
import { List } from '@stream-processing/contracts/common.ts';
import { LOCALES } from '@stream-processing/contracts/names.ts';
import { User } from '@stream-processing/contracts/users.ts';
import { expect, test } from 'vitest';
import { expectProblem, expectReply } from './replies.ts';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();
const create = (body: object) => shared.api.post('user-service', '/users', body);
const unusedEmail = () => `${randomUUID()}@example.org`;

test.each(LOCALES)('a user who speaks %s is created and read back', async (locale) => {
  const body = { email: unusedEmail(), name: 'Anna', locale };
  const before = Date.now();
  const user = expectReply(await create(body), 201, User);
  expect(user).toEqual({ id: user.id, ...body, created_at: user.created_at });
  expect(Date.parse(user.created_at)).toBeGreaterThanOrEqual(before);
  expect(Date.parse(user.created_at)).toBeLessThanOrEqual(Date.now());
  expect(expectReply(await shared.api.get('user-service', `/users/${user.id}`), 200, User)).toEqual(user);
  const list = expectReply(
    await shared.api.get('user-service', '/users?order=desc&limit=1'),
    200,
    List(User),
  );
  expect(list.items).toEqual([user]);
});

test('a user who names no language speaks Russian', async () => {
  const user = expectReply(await create({ email: unusedEmail(), name: 'Anna' }), 201, User);
  expect(user.locale).toBe('ru');
});

test.each([
  ['as it is', (email: string) => email],
  ['in capitals', (email: string) => email.toUpperCase()],
])('an address that is in use is refused %s, and the first user stays', async (_how, spell) => {
  const email = unusedEmail();
  const user = expectReply(await create({ email, name: 'Anna' }), 201, User);
  expectProblem(await create({ email: spell(email), name: 'Boris' }), 'email_taken');
  const newest = await shared.api.get('user-service', '/users?order=desc&limit=1');
  expect(newest.body.items).toEqual([user]);
});

test('of ten requests at once with one address exactly one creates a user', async () => {
  const email = unusedEmail();
  const replies = await Promise.all(Array.from({ length: 10 }, () => create({ email, name: 'Anna' })));
  expect(replies.map((reply) => reply.status).sort()).toEqual([201, ...Array(9).fill(409)]);
});

test.each([
  ['200 letters', 'x'.repeat(200)],
  ['200 emoji', '🙂'.repeat(200)],
  ['one letter', 'Ы'],
  ['spaces at both ends', '  Anna  '],
  ['letters that regular expressions use', 'p{Z}p{Cc}p{Cs}\\p{Zl} [^$]* "quoted" ’ \\u0000'],
  ['joined emoji', '👩‍👩‍👧‍👦'],
  ['letters from right to left', 'أنا'],
])('a name of %s is kept letter by letter, and its account opens', async (_what, name) => {
  const user = expectReply(await create({ email: unusedEmail(), name }), 201, User);
  expect(user.name).toBe(name);
  expect((await shared.api.get('user-service', `/users/${user.id}`)).body.name).toBe(name);
  expectReply(await shared.api.account(user.id), 200, Account);
});

const LABEL = 'd'.repeat(63);

test.each([
  'a@b',
  "o'Hara+tag=1@example.org",
  '!#$%&*/?^_`{|}~-@example.org',
  'first.last@sub-domain.example.co.uk',
  'a@127.0.0.1',
  `${'l'.repeat(64)}@${LABEL}.${LABEL}.${'d'.repeat(61)}`,
])('the address %s is taken', async (email) => {
  expect(expectReply(await create({ email, name: 'Anna' }), 201, User).email).toBe(email);
});

test('a user and the list of all are read fresh or as they are', async () => {
  const { body: user } = await create({ email: 'consistent@example.org', name: 'Anna' });
  for (const consistency of ['fresh', 'eventual']) {
    const read = (path: string) => shared.api.get('user-service', `${path}consistency=${consistency}`);
    expect(expectReply(await read(`/users/${user.id}?`), 200, User)).toEqual(user);
    expect(expectReply(await read('/users?order=desc&limit=1&'), 200, List(User)).items).toEqual([user]);
  }
  const bad = await shared.api.get('user-service', `/users/${user.id}?consistency=soon`);
  expectProblem(bad, 'invalid_parameter', ['consistency']);
});

test.each([0, 999_999_999, Number.MAX_SAFE_INTEGER])('the user %i is not there', async (id) => {
  const code = id === 0 ? 'invalid_parameter' : 'user_not_found';
  expectProblem(await shared.api.get('user-service', `/users/${id}`), code, id === 0 ? ['id'] : undefined);
});

test.each([
  'x',
  '-1',
  '1.0',
  '1e1',
  '01',
  '%31%20',
  '9007199254740992',
  '99999999999999999999',
  '%00',
  '%D0%AF',
])('%s is not the id of a user', async (id) => {
  expectProblem(await shared.api.get('user-service', `/users/${id}`), 'invalid_parameter', ['id']);
});
