import { LOCALES } from '@stream-processing/contracts/names.ts';
import { expect, test } from 'vitest';
import { given } from '../../test/given.ts';
import { apply, type Command, decide } from './decide.ts';

const now = new Date('2026-01-31T12:00:00.000Z');

/** Decides about commands of one batch; the first one's user has the id 1, the second one's the id 2. */
function whenAddressesAreTaken(taken: string[], ...commands: Command[]) {
  const ids = new Map(commands.map((command, i) => [command, i + 1]));
  return given({ decide, apply }, { taken: new Set(taken), ids }).when(...commands);
}

function createUser(email: string, more: Partial<Command> = {}): Command {
  return { type: 'CreateUser', email, name: 'Anna', locale: 'ru', now, ...more };
}

test.each(LOCALES)(
  'a free address gives a user who speaks %s, announced with all that others need',
  (locale) => {
    const decisions = whenAddressesAreTaken([], createUser('anna@example.org', { locale }));
    const fields = { email: 'anna@example.org', name: 'Anna', locale };
    const data = { user_id: 1, ...fields, created_at: '2026-01-31T12:00:00.000Z' };
    expect(decisions).toEqual([
      {
        outcome: 'created',
        user: { id: 1, ...fields, created_at: now },
        events: [{ type: 'UserCreated', user_id: 1, data }],
      },
    ]);
  },
);

test('an address is kept as it was written', () => {
  const [created] = whenAddressesAreTaken([], createUser('Anna.K@Example.ORG'));
  expect(created).toMatchObject({
    user: { email: 'Anna.K@Example.ORG' },
    events: [{ data: { email: 'Anna.K@Example.ORG' } }],
  });
});

test.each(['anna@example.org', 'ANNA@example.org', 'anna@EXAMPLE.org'])(
  'while anna@example.org is taken, %s is refused and nothing is announced',
  (email) => {
    expect(whenAddressesAreTaken(['anna@example.org'], createUser(email))).toEqual([
      { outcome: 'email_taken' },
    ]);
  },
);

test.each([
  ['anna@example.org', 'Anna@Example.Org'],
  ['Anna@Example.Org', 'anna@example.org'],
])('of two commands of one batch for %s and %s the first is obeyed', (first, second) => {
  const decisions = whenAddressesAreTaken([], createUser(first), createUser(second));
  expect(decisions).toEqual([expect.objectContaining({ outcome: 'created' }), { outcome: 'email_taken' }]);
});

test('the commands of one batch get the ids that were drawn for them, also beside a refused one', () => {
  const decisions = whenAddressesAreTaken(
    ['taken@example.org'],
    createUser('a@example.org'),
    createUser('taken@example.org'),
    createUser('b@example.org'),
  );
  expect(decisions).toMatchObject([
    { user: { id: 1, email: 'a@example.org' } },
    { outcome: 'email_taken' },
    { user: { id: 3, email: 'b@example.org' }, events: [{ user_id: 3, data: { user_id: 3 } }] },
  ]);
});

test('deciding alone leaves the state as it was', () => {
  const command = createUser('anna@example.org');
  const state = { taken: new Set<string>(), ids: new Map([[command, 1]]) };
  decide(state, command);
  expect(state).toEqual({ taken: new Set(), ids: new Map([[command, 1]]) });
});
