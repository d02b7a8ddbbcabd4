import { randomUUID } from 'node:crypto';
import type { ProblemSchema } from '@stream-processing/contracts/common.ts';
import type { Static } from 'typebox';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { expectProblem } from './replies.ts';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();
let newest: number;

const newestUser = async () =>
  (await shared.api.get('user-service', '/users?order=desc&limit=1')).body.items[0]?.id ?? 0;

// Whatever was sent, it made no user.
beforeEach(async () => {
  newest = await newestUser();
});
afterEach(async () => {
  expect(await newestUser()).toBe(newest);
});

/** The field as JSON, so that escapes arrive as they are written here. */
function createUser(fields: Record<string, string>) {
  const all = { email: `"${randomUUID()}@example.org"`, name: '"Anna"', ...fields };
  const body = Object.entries(all).map(([name, json]) => `"${name}":${json}`);
  return shared.api.call<Static<typeof ProblemSchema>>('user-service', 'POST', '/users', {
    headers: { 'content-type': 'application/json' },
    body: `{${body.join(',')}}`,
  });
}

const NOT_TEXT = ['null', '1', 'true', '["Anna"]', '{"name":"Anna"}'];

const LABEL = 'd'.repeat(63);
const ADDRESSES = [
  '""',
  '"anna"',
  '"@example.org"',
  '"anna@"',
  '"anna@@example.org"',
  '"anna@example.org@example.org"',
  '"anna example@example.org"',
  '" anna@example.org"',
  '"anna@example.org "',
  '"a@b\\r\\nBcc: x@y"',
  '"a@b\\nc"',
  '"anna@example.org\\u0000"',
  '"anna@exa\\u0000mple.org"',
  '"anna@example..org"',
  '"anna@.example.org"',
  '"anna@example.org."',
  '"anna@-example.org"',
  '"anna@example-.org"',
  '"anna@exa_mple.org"',
  '"anna@[127.0.0.1]"',
  '"Anna <anna@example.org>"',
  '"anna@example.org,boris@example.org"',
  '"\\"anna\\"@example.org"',
  '"anna(comment)@example.org"',
  '"анна@example.org"',
  '"anna@пример.рф"',
  '"ann\\u212A@example.org"',
  '"anna@example\\uff0eorg"',
  '"anna@\\ud800.org"',
  `"${'l'.repeat(65)}@example.org"`,
  `"anna@${LABEL}d.org"`,
  `"${'l'.repeat(64)}@${LABEL}.${LABEL}.${'d'.repeat(62)}"`,
  `"${'l'.repeat(10_000)}"`,
];

const NAMES = [
  '""',
  '" "',
  '"      "',
  '"\\u00a0\\u2003\\u3000"',
  '"\\u0000"',
  '"An\\u0000na"',
  '"\\ud800"',
  '"Anna \\udc00"',
  '"\\udc00\\ud800"',
  '"Anna\\n"',
  '"Anna\\r\\nBcc: x"',
  '"tab\\t"',
  '"\\u001b[31m"',
  '"\\u007f"',
  '"\\u0085"',
  '"\\u2028"',
  '"\\u2029"',
  `"${'x'.repeat(201)}"`,
  `"${'🙂'.repeat(201)}"`,
  `"${' '.repeat(201)}"`,
];

const LOCALES = ['""', '"RU"', '"ru "', '"de"', '"ru-RU"', '"__proto__"'];

describe.each([
  ['email', [...NOT_TEXT, ...ADDRESSES]],
  ['name', [...NOT_TEXT, ...NAMES]],
  ['locale', [...NOT_TEXT, ...LOCALES]],
])('a user whose %s', (field, values) => {
  test.each(values)('is %.60s is refused', async (json) => {
    expectProblem(await createUser({ [field]: json }), 'invalid_body', [`/${field}`]);
  });
});

test('all that is wrong with a body is told at once', async () => {
  const reply = await createUser({ email: '"nobody"', name: '""', locale: '"de"', age: '7' });
  expectProblem(reply, 'invalid_body', ['/age', '/email', '/name', '/locale']);
});

test('a body with hundreds of faults is answered with a bounded list of them', async () => {
  const surprises = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`field-${i}`, '1']));
  const { body } = await createUser(surprises);
  expect(body.code).toBe('invalid_body');
  expect(body.errors?.length).toBeLessThanOrEqual(20);
});
