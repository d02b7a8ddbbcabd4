import { NOTHING_DONE, Problem, type ProblemCode } from '@stream-processing/contracts/problems.ts';
import { isConnectionLoss } from '@stream-processing/runtime/sql-errors.ts';
import type { Kind, Operation, Outcome } from '../record.ts';
import type { Reply, Request } from './routes.ts';
import { NoAnswer, type World } from './world.ts';

const OPENING_BALANCE = 1000;
/** Operations whose caller asks once and lives with not knowing. */
const ONCE = 0.1;
const TRIES = 200;
/** How often a caller asks for something beside its operations. */
const ASIDE = 0.4;
/** In units of money: more than an account may hold beside its opening balance. */
const TOO_MUCH = 90_000_000_000_000;

type Call = Parameters<World['call']>;

/** A careful client with a user of its own: a key for every operation, and the same key again until it is answered. */
export class Caller {
  readonly #world: World;
  readonly #number: number;
  #user_id = 0;
  #balance = OPENING_BALANCE;
  /** An effect that is not known: so neither is the balance. */
  #uncertain = false;
  /** The key of an order that was answered. */
  #orderKey: string | undefined;
  readonly #told = new Map<string, string>();

  constructor(world: World, number: number) {
    this.#world = world;
    this.#number = number;
  }

  async run(): Promise<void> {
    const name = `caller-${this.#number}`;
    const locale = this.#number % 2 === 0 ? 'en' : 'ru';
    const body = { email: `${name}@example.org`, name, locale };
    const user = await this.#insist('user-service', 'POST', '/users', {
      id: name,
      body,
      headers: keyed(name),
    });
    this.#user_id = user.body.id;
    const opening = { params: { user_id: this.#user_id }, body: { amount: OPENING_BALANCE / 100 } };
    const key = `${name}-opening`;
    await this.#insist('billing-service', 'POST', '/accounts/:user_id/deposit', {
      id: key,
      ...opening,
      headers: keyed(key),
    });
    const deposit = { key, kind: 'deposit', user_id: this.#user_id, amount: OPENING_BALANCE } as const;
    this.#world.record.add(deposit, { kind: 'done', paid: true });
    for (let number = 1; number <= this.#world.size.operations; number += 1) {
      await this.#operate(number);
      if (this.#world.random.chance(ASIDE)) await this.#aside(`${name}-aside-${number}`, body);
    }
  }

  /** What moves no money, and has one right answer. */
  async #aside(key: string, user: object): Promise<void> {
    const user_id = this.#user_id;
    const headers = keyed(key);
    const refused = (code: ProblemCode, service: Call[0], path: string, request: Omit<Request, 'id'>) =>
      this.#expectRefusal(code, service, 'POST', path, { id: key, headers, ...request });
    const kind = this.#world.random.pick(['account', 'note', 'taken', 'limit', 'reused']);
    this.#world.count(`aside ${kind}`);
    switch (kind) {
      case 'account':
        await this.#insist('billing-service', 'POST', '/accounts', { id: key, body: { user_id }, headers });
        return;
      case 'note': {
        const body = { user_id, email: 'a@example.org', subject: 'A note', body: key };
        await this.#insist('notification-service', 'POST', '/notifications', { id: key, body, headers });
        return;
      }
      case 'taken':
        return refused('email_taken', 'user-service', '/users', { body: user });
      case 'limit': {
        const body = { amount: TOO_MUCH };
        const path = '/accounts/:user_id/deposit';
        return refused('balance_limit_exceeded', 'billing-service', path, { params: { user_id }, body });
      }
      case 'reused': {
        if (!this.#orderKey) return;
        const body = { user_id, price: TOO_MUCH };
        const own = keyed(this.#orderKey);
        return refused('idempotency_key_reused', 'order-service', '/orders', { body, headers: own });
      }
    }
  }

  async #expectRefusal(code: ProblemCode, ...call: Call): Promise<void> {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const answer = await this.#ask(call, code);
      const told = typeof answer === 'string' ? answer : (answer.body.code ?? JSON.stringify(answer.body));
      if (told === code) return;
      if (typeof answer !== 'string') {
        this.#world.violation(`${call[3].id} should be refused with ${code}, and was answered ${told}`);
        return;
      }
      await this.#world.clock.sleep(this.#world.random.integer(10, 500));
    }
    throw new Error(`${call[1]} ${call[2]} is never answered`);
  }

  async #operate(number: number): Promise<void> {
    const { random, record } = this.#world;
    const kind: Kind = random.pick(['order', 'order', 'order', 'deposit', 'withdrawal']);
    // Now and then more than the account holds.
    const amount = number + (kind !== 'deposit' && random.chance(0.2) ? 100 * OPENING_BALANCE : 0);
    const operation = { key: `caller-${this.#number}-${number}`, kind, user_id: this.#user_id, amount };
    const outcome = await this.#carryOut(operation, random.chance(ONCE));
    this.#world.trace(`${operation.key} ${kind} ${amount}: ${JSON.stringify(outcome)}`);
    this.#world.count(`${kind} ${outcome.kind}`);
    record.add(operation, outcome);
    if (outcome.kind === 'unknown' || outcome.kind === 'accepted') this.#uncertain = true;
    if (outcome.kind !== 'done') return;
    if (outcome.paid) this.#balance += kind === 'deposit' ? amount : -amount;
    if (kind === 'order') {
      this.#orderKey = operation.key;
      await this.#lookForLetter(outcome);
    }
    await this.#lookAtBalance();
  }

  async #carryOut(operation: Operation, once: boolean): Promise<Outcome> {
    const { kind, user_id, amount, key } = operation;
    const headers = { ...keyed(key), ...(this.#world.random.chance(0.2) ? { prefer: 'wait=1' } : {}) };
    const request: Request =
      kind === 'order'
        ? { id: key, body: { user_id, price: amount / 100 }, headers }
        : { id: key, params: { user_id }, body: { amount: amount / 100 }, headers };
    const call: Call =
      kind === 'order'
        ? ['order-service', 'POST', '/orders', request]
        : [
            'billing-service',
            'POST',
            `/accounts/:user_id/${kind === 'deposit' ? 'deposit' : 'withdraw'}`,
            request,
          ];
    let why = '';
    let accepted: number | undefined;
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const answers = [this.#ask(call)];
      if (this.#world.faults.strikes('doubleRequest')) answers.push(this.#ask(call));
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

  /** The reply, or a code that says why there is none. `expected`: the refusal that is the right answer. */
  async #ask(call: Call, expected?: ProblemCode): Promise<Reply | string> {
    const [, method, , request] = call;
    try {
      const reply = await this.#world.call(...call);
      if (method === 'POST') this.#compare(request.id, reply);
      return reply;
    } catch (error) {
      if (error instanceof NoAnswer) return error.message;
      // As http.ts answers it.
      if (isConnectionLoss(error)) return 'unavailable';
      if (!(error instanceof Problem)) this.#world.violation(`${request.id}: ${(error as Error).stack}`);
      const code = error instanceof Problem ? error.code : 'internal_error';
      if (error instanceof Problem && error.status < 500 && code !== expected)
        this.#world.violation(`${request.id} was answered ${code}`);
      return code;
    }
  }

  /** Same key, same answer: of an order the same order, else the same to the letter. */
  #compare(key: string, { status, body }: Reply): void {
    const told = JSON.stringify('price' in body ? body.id : [status, body]);
    const before = this.#told.get(key);
    if (before !== undefined && before !== told)
      this.#world.violation(`${key} was answered ${before}, then ${told}`);
    this.#told.set(key, told);
  }

  /** Read-your-writes, at whichever instance. */
  async #lookForLetter({ id, message }: { id?: number; message?: string | null }): Promise<void> {
    const query = { user_id: this.#user_id, consistency: 'fresh', limit: 100, order: 'asc' };
    const { body } = await this.#insist('notification-service', 'GET', '/notifications', {
      id: `letter ${id}`,
      query,
    });
    const letters = body.items.filter((item: { order_id: number }) => item.order_id === id);
    if (letters.length !== 1 || letters[0].body !== message) {
      this.#world.violation(`order ${id} was answered, but its letters are ${JSON.stringify(letters)}`);
    }
  }

  async #lookAtBalance(): Promise<void> {
    const params = { user_id: this.#user_id };
    const { body } = await this.#insist('billing-service', 'GET', '/accounts/:user_id', {
      id: 'balance',
      params,
      query: { consistency: 'fresh' },
    });
    const balance = Math.round(body.balance * 100);
    if (!this.#uncertain && balance !== this.#balance) {
      this.#world.violation(`user ${this.#user_id} should hold ${this.#balance}, but holds ${balance}`);
    }
  }

  async #insist(...call: Call): Promise<Reply> {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const answer = await this.#ask(call);
      if (typeof answer !== 'string') return answer;
      await this.#world.clock.sleep(this.#world.random.integer(10, 500));
    }
    throw new Error(`${call[1]} ${call[2]} is never answered`);
  }
}

function keyed(key: string): Record<string, string> {
  return { 'idempotency-key': key };
}
