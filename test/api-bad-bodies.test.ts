import fc from 'fast-check';
import { beforeAll, describe, expect, test } from 'vitest';
import { NOT_JSON } from '../proofs/fuzz/hostile-heads.ts';
import { POSTS } from './posts.ts';
import { expectProblem } from './replies.ts';
import { shareInstallation } from './shared-installation.ts';

const shared = shareInstallation();
const JSON_TYPE = { 'content-type': 'application/json' };
let user_id: number;

beforeAll(async () => {
  user_id = await shared.api.userWith(100);
});

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));
const nested = (depth: number, open: string, close: string) => `${open.repeat(depth)}1${close.repeat(depth)}`;

type Body = string | Buffer;

const MALFORMED: [string, Body][] = [
  ['nothing', ''],
  ['a word', 'amount=1'],
  ['half an object', '{"amount":'],
  ['a trailing comma', '{"amount":1,}'],
  ['two values', '{} {}'],
  ['a comment', '{} // nothing'],
  ['bytes that are not UTF-8', bytes('{"name":"', [0xff, 0xfe], '"}')],
  ['an overlong NUL', bytes('{"name":"', [0xc0, 0x80], '"}')],
  ['half of a UTF-8 letter', bytes('{"name":"', [0xd0], '"}')],
  ['UTF-16', Buffer.from('{"amount":1}', 'utf16le')],
  ['a raw control character', '{"name":"a\nb"}'],
  ['lists in lists, 10,000 deep', nested(10_000, '[', ']')],
  ['objects in objects, 10,000 deep', nested(10_000, '{"a":', '}')],
];

const NOT_OBJECTS = ['null', '1', '"text"', '[]', '[{}]', 'true', nested(1000, '[', ']')];

const MEDIA_TYPES = [undefined, ...NOT_JSON];

describe.each(POSTS)('%s', (_name, post) => {
  const send = (body: Body, headers: Record<string, string> = JSON_TYPE) =>
    shared.api.call(post.service, 'POST', post.path(user_id), { headers, body });
  const valid = () => JSON.stringify(post.body(user_id));

  /** Whatever was sent, it had no effect. */
  async function unchanged<T>(work: () => Promise<T>): Promise<T> {
    const before = await post.effects(shared.api, user_id);
    const result = await work();
    expect(await post.effects(shared.api, user_id)).toBe(before);
    return result;
  }

  test.each(MALFORMED)('refuses %s as malformed', async (_what, body) => {
    expectProblem(await unchanged(() => send(body)), 'malformed_json');
  });

  test.each(NOT_OBJECTS)('refuses the body %.20s, which is no object', async (body) => {
    expectProblem(await unchanged(() => send(body)), 'invalid_body', ['']);
  });

  test.each(MEDIA_TYPES)('refuses the media type %s', async (type) => {
    const headers: Record<string, string> = type === undefined ? {} : { 'content-type': type };
    const reply = await unchanged(() => send(Buffer.from(valid()), headers));
    expectProblem(reply, 'unsupported_media_type');
  });

  test('refuses to be called without a body', async () => {
    const reply = await unchanged(() => shared.api.call(post.service, 'POST', post.path(user_id)));
    expectProblem(reply, 'invalid_body', ['']);
  });

  test('refuses 10 MB, announced or in pieces', async () => {
    const large = Buffer.alloc(10_000_000, ' ');
    expectProblem(await unchanged(() => send(large)), 'body_too_large');
    const pieces = () =>
      shared.api.call(post.service, 'POST', post.path(user_id), {
        headers: JSON_TYPE,
        body: new Blob([large]).stream(),
        duplex: 'half',
      });
    expectProblem(await unchanged(pieces), 'body_too_large');
  });

  test('names a field that is missing', async () => {
    const [first] = Object.keys(post.body(user_id));
    const { [first as never]: _, ...rest } = post.body(user_id);
    const reply = await unchanged(() => send(JSON.stringify(rest)));
    expectProblem(reply, 'invalid_body', [`/${first}`]);
  });

  test('answers any JSON with a refusal, never with a failure', async () => {
    const values = fc.jsonValue({ maxDepth: 2 });
    const fields = {
      user_id: values,
      amount: values,
      price: values,
      email: values,
      name: values,
      body: values,
    };
    // The surprise keeps a body from being valid by chance.
    const bodies = fc.oneof(
      values,
      fc.record({ ...fields, surprise: values }, { requiredKeys: ['surprise'] }),
    );
    const property = fc.asyncProperty(bodies, async (body) => {
      expectProblem(await send(JSON.stringify(body)), 'invalid_body', expect.anything());
    });
    await unchanged(() => fc.assert(property, { numRuns: 50 }));
  });
});

test.each(['application/json; charset=utf-8', 'Application/JSON', 'application/json;charset=UTF-8'])(
  'the media type %s is taken',
  async (type) => {
    const reply = await shared.api.call('billing-service', 'POST', `/accounts/${user_id}/deposit`, {
      headers: { 'content-type': type },
      body: '{"amount":1}',
    });
    expect(reply.status).toBe(200);
  },
);
