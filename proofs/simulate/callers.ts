import { resultLetter } from '@stream-processing/contracts/letters.ts';
import type { Locale } from '@stream-processing/contracts/names.ts';
import { NOTHING_DONE, type ProblemCode } from '@stream-processing/contracts/problems.ts';
import type { Kind, Operation, Outcome } from '../record.ts';
import { Asker, type Call, TRIES } from './asker.ts';
import { PLACES, Reader, type Result } from './reader.ts';
import type { Request } from './routes.ts';
import type { World } from './world.ts';

const OPENING_BALANCE = 1000;
/** Operations whose caller asks once and lives with not knowing. */
const ONCE = 0.1;
/** Operations of just what the account holds, or of one unit more. */
const EDGE = 0.1;
/** Orders whose caller does not wait for the result, and looks for it everywhere. */
const WATCHED = 0.15;
/** How often a caller asks for something beside its operations. */
const ASIDE = 0.4;
/** In units of money: more than an account may hold beside its opening balance. */
const TOO_MUCH = 90_000_000_000_000;

/** A careful client with a user of its own: a key for every operation, and the same key again until it is answered. */
export class Caller {
  readonly #world: World;
  readonly #number: number;
  readonly #asker: Asker;
  #user_id = 0;
  #balance = OPENING_BALANCE;
  /** An effect that is not known: so neither is the balance. */
  #uncertain = false;
  /** The key of an order that was answered. */
  #orderKey: string | undefined;
  #locale: Locale = 'ru';
  #reader!: Reader;
  /** What was answered, to be asked again. */
  readonly #answered: Call[] = [];
  /** By which effects are found again. */
  readonly #used = new Set<string>();

  constructor(world: World, number: number) {
    this.#world = world;
    this.#number = number;
    this.#asker = new Asker(world);
  }

  async run(): Promise<void> {
    const name = `caller-${this.#number}`;
    this.#locale = this.#number % 2 === 0 ? 'en' : 'ru';
    const body = { email: `${name}@example.org`, name, locale: this.#locale };
    const user = await this.#asker.insist('user-service', 'POST', '/users', {
      id: name,
      body,
      headers: keyed(name),
    });
    this.#user_id = user.body.id;
    this.#reader = new Reader(this.#world, this.#asker, this.#user_id);
    const opening = { params: { user_id: this.#user_id }, body: { amount: OPENING_BALANCE / 100 } };
    const key = `${name}-opening`;
    await this.#asker.insist('billing-service', 'POST', '/accounts/:user_id/deposit', {
      id: key,
      ...opening,
      // Keys belong to a route and a user: those of other callers are the same.
      headers: keyed('opening'),
    });
    const deposit = { key, kind: 'deposit', user_id: this.#user_id, amount: OPENING_BALANCE } as const;
    this.#world.record.add(deposit, { kind: 'done', paid: true });
    for (let number = 1; number <= this.#world.size.operations; number += 1) {
      await this.#operate(number);
      if (this.#world.random.chance(ASIDE)) await this.#aside(`${name}-aside-${number}`, body);
    }
    await this.#reader.statement();
  }

  /** What has one right answer. */
  async #aside(key: string, user: object): Promise<void> {
    const user_id = this.#user_id;
    const headers = keyed(key);
    const refused = (code: ProblemCode, service: Call[0], path: string, request: Omit<Request, 'id'>) =>
      this.#asker.expectRefusal(code, service, 'POST', path, { id: key, headers, ...request });
    const kind = this.#world.random.pick([
      ...['account', 'note', 'taken', 'limit', 'reused'],
      ...['again', 'rush', 'books'],
    ]);
    this.#world.count(`aside ${kind}`);
    switch (kind) {
      case 'account':
        await this.#asker.insist('billing-service', 'POST', '/accounts', {
          id: key,
          body: { user_id },
          headers,
        });
        return;
      case 'note': {
        const body = { user_id, email: 'a@example.org', subject: 'A note', body: key };
        await this.#asker.insist('notification-service', 'POST', '/notifications', {
          id: key,
          body,
          headers,
        });
        return;
      }
      case 'taken':
        return refused('email_taken', 'user-service', '/users', { body: user });
      case 'limit': {
        // With nothing there it is just as much as an account may hold.
        if (this.#uncertain || this.#balance === 0) return;
        const body = { amount: TOO_MUCH };
        const path = '/accounts/:user_id/deposit';
        return refused('balance_limit_exceeded', 'billing-service', path, { params: { user_id }, body });
      }
      case 'again':
        // Compared with the first answer, as every one is.
        if (this.#answered.length > 0) await this.#asker.insist(...this.#world.random.pick(this.#answered));
        return;
      case 'rush':
        return this.#rush(key);
      case 'books':
        return this.#reader.books();
      case 'reused': {
        if (!this.#orderKey) return;
        const body = { user_id, price: TOO_MUCH };
        const own = keyed(this.#orderKey);
        return refused('idempotency_key_reused', 'order-service', '/orders', { body, headers: own });
      }
    }
  }

  async #operate(number: number): Promise<void> {
    const { random } = this.#world;
    const kind: Kind = random.pick(['order', 'order', 'order', 'deposit', 'withdrawal']);
    const amount = this.#amountOf(kind, number);
    const operation = { key: `caller-${this.#number}-${number}`, kind, user_id: this.#user_id, amount };
    // Keys belong to a route and a user: those of other callers, and of other kinds of operation, are the same.
    const call = callFor(operation, `operation-${number}`);
    const isWatched = kind === 'order' && random.chance(WATCHED);
    const outcome = isWatched
      ? await this.#placeAndWatch(operation, call)
      : await this.#carryOut(call, random.chance(ONCE));
    this.#keep(operation, outcome);
    if (outcome.kind !== 'done') return;
    this.#answered.push(call);
    if (kind === 'order') {
      this.#orderKey = `operation-${number}`;
      await this.#lookForLetter(outcome);
    }
    await this.#lookAtBalance();
  }

  /** One of its own for each operation of a kind; now and then more than the account holds, or just as much. */
  #amountOf(kind: Kind, number: number): number {
    const { random } = this.#world;
    const edge = this.#balance + random.integer(0, 1);
    const isEdge = kind !== 'deposit' && !this.#uncertain && this.#isFree(kind, edge) && random.chance(EDGE);
    const amount = number + (kind !== 'deposit' && random.chance(0.2) ? 100 * OPENING_BALANCE : 0);
    const chosen = isEdge ? edge : amount;
    this.#used.add(`${kind} ${chosen}`);
    return chosen;
  }

  /** Is no other operation of this amount, and will none be? */
  #isFree(kind: Kind, amount: number): boolean {
    return amount > this.#world.size.operations && !this.#used.has(`${kind} ${amount}`);
  }

  /** What became of it is right, as far as the caller knows its balance, and is remembered. */
  #keep(operation: Operation, outcome: Outcome): void {
    const { kind, amount, key } = operation;
    const { record } = this.#world;
    this.#world.trace(`${key} ${kind} ${amount}: ${JSON.stringify(outcome)}`);
    this.#world.count(`${kind} ${outcome.kind}`);
    record.add(operation, outcome);
    if (outcome.kind === 'unknown' || outcome.kind === 'accepted') this.#uncertain = true;
    if (outcome.kind !== 'done') return;
    const isRight = outcome.paid === (kind === 'deposit' || amount <= this.#balance);
    if (!this.#uncertain && !isRight)
      this.#world.violation(
        `${key}, a ${kind} of ${amount} with ${this.#balance} there, was told as ${outcome.paid ? 'paid' : 'refused'}`,
      );
    if (outcome.paid) this.#balance += kind === 'deposit' ? amount : -amount;
  }

  /** Three at once of more than half of what is there: exactly one of them is paid. */
  async #rush(key: string): Promise<void> {
    const first = Math.ceil(this.#balance * 0.6);
    const amounts = [first, first + 1, first + 2];
    const isEnough =
      amounts[2]! <= this.#balance && amounts.every((each) => this.#isFree('withdrawal', each));
    if (this.#uncertain || !isEnough) return;
    this.#world.count('rush');
    const operations = amounts.map((amount, i): Operation => {
      this.#used.add(`withdrawal ${amount}`);
      return { key: `${key}-${i}`, kind: 'withdrawal', user_id: this.#user_id, amount };
    });
    const outcomes = await Promise.all(
      operations.map((operation) => this.#carryOut(callFor(operation, operation.key), false)),
    );
    const paid = outcomes.filter((outcome) => outcome.kind === 'done' && outcome.paid);
    if (outcomes.every(({ kind }) => kind === 'done') && paid.length !== 1)
      this.#world.violation(
        `${key}: ${paid.length} of three were paid, of ${amounts} with ${this.#balance} there`,
      );
    // In the order in which they must have come.
    const order = [...paid, ...outcomes.filter((outcome) => !paid.includes(outcome))];
    for (const outcome of order) this.#keep(operations[outcomes.indexOf(outcome)]!, outcome);
    await this.#lookAtBalance();
  }

  /** Nobody waits for the result; wherever it is told first, from then on it is told everywhere. */
  async #placeAndWatch({ amount }: Operation, [service, method, path, request]: Call): Promise<Outcome> {
    const { random, clock } = this.#world;
    const headers = { ...request.headers, prefer: 'respond-async' };
    const { body } = await this.#asker.insist(service, method, path, { ...request, headers });
    const { id } = body as { id: number };
    const message = (result: Result) =>
      resultLetter(this.#locale, {
        order_id: id,
        price: BigInt(amount),
        currency: this.#world.currency,
        paid: result === 'confirmed',
      }).body;
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const first = random.pick([...PLACES]);
      const told = await this.#reader.resultAt(first, { id, message });
      if (told) {
        for (const place of PLACES) {
          const there = await this.#reader.resultAt(place, { id, message });
          const expected = place === 'statement' && told === 'failed' ? undefined : told;
          if (there !== expected)
            this.#world.violation(`order ${id} is told as ${told} by ${first}, and as ${there} by ${place}`);
        }
        return { kind: 'done', paid: told === 'confirmed', id, message: message(told) };
      }
      await clock.sleep(random.integer(10, 500));
    }
    throw new Error(`order ${id} is never decided`);
  }

  async #carryOut(call: Call, once: boolean): Promise<Outcome> {
    const [service, method, path, asked] = call;
    const kind = service === 'order-service' ? 'order' : 'transfer';
    const isHasty = kind === 'order' && this.#world.random.chance(0.2);
    const request = isHasty ? { ...asked, headers: { ...asked.headers, prefer: 'wait=1' } } : asked;
    let why = '';
    let accepted: number | undefined;
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const ask = () => this.#asker.ask([service, method, path, request]);
      const answers = [ask()];
      if (this.#world.faults.strikes('doubleRequest')) answers.push(ask());
      const told = await Promise.all(answers);
      const [answer] = told;
      if (typeof answer !== 'string') {
        const { id, status, message, withdrawn = true } = answer!.body;
        if (status !== 'pending')
          return { kind: 'done', paid: kind === 'order' ? status === 'confirmed' : withdrawn, id, message };
        accepted = id;
      } else {
        why = answer;
        // Of a doubled request each copy speaks for itself.
        const refused = told.every((each) => typeof each === 'string' && NOTHING_DONE.has(each));
        if (once && refused) return { kind: 'refused', code: answer };
      }
      if (once) break;
      await this.#world.clock.sleep(this.#world.random.integer(10, 500));
    }
    return accepted === undefined ? { kind: 'unknown', why } : { kind: 'accepted', id: accepted };
  }

  /** Read-your-writes, at whichever instance. */
  async #lookForLetter({ id, message }: { id?: number; message?: string | null }): Promise<void> {
    const letters = await this.#reader.letters(id);
    if (letters.length !== 1 || letters[0] !== message)
      this.#world.violation(`order ${id} was answered, but its letters are ${JSON.stringify(letters)}`);
  }

  async #lookAtBalance(): Promise<void> {
    const balance = await this.#reader.balance();
    if (!this.#uncertain && balance !== this.#balance)
      this.#world.violation(`user ${this.#user_id} should hold ${this.#balance}, but holds ${balance}`);
  }
}

function keyed(key: string): Record<string, string> {
  return { 'idempotency-key': key };
}

function callFor({ key, kind, user_id, amount }: Operation, idempotencyKey: string): Call {
  const headers = keyed(idempotencyKey);
  if (kind === 'order')
    return ['order-service', 'POST', '/orders', { id: key, body: { user_id, price: amount / 100 }, headers }];
  const path = `/accounts/:user_id/${kind === 'deposit' ? 'deposit' : 'withdraw'}`;
  const request = { id: key, params: { user_id }, body: { amount: amount / 100 }, headers };
  return ['billing-service', 'POST', path, request];
}
