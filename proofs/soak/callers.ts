/** Callers as careful clients are: a key for every operation, the same key again until it is answered, a record of all. */
import { setTimeout as delay } from 'node:timers/promises';
import type { Locale, ServiceName } from '@stream-processing/contracts/names.ts';
import { NOTHING_DONE } from '@stream-processing/contracts/problems.ts';
import type { Random } from '../random.ts';
import type { ClientRecord, Kind, Operation, Outcome } from '../record.ts';
import { call } from './call.ts';
import type { Instances } from './instances.ts';

export interface Attempt {
  at: number;
  /** Not a repetition. */
  isFirst: boolean;
  /** Done, or durable. */
  ok: boolean;
  user_id: number;
  /** An order with its result. */
  isFinalOrder: boolean;
}

const GIVE_UP_MS = 60_000;
/** What became of an operation whose caller does not know is settled by then, whatever stood still or was away. */
const SETTLED_MS = 60_000;
/** Of so many that are not settled yet every sum is tried: with more the balance tells too little. */
const UNSETTLED_MAX = 10;
/** Operations whose caller asks once and lives with not knowing. */
const ONCE = 0.05;
/** Attempts that are sent to two instances at once. */
const DOUBLED = 0.1;
/** How often a caller makes a user of whom nobody knows yet, and asks for it everywhere at once. */
const VISIT = 0.005;
/** Lasts for hours: a caller's n-th operation is about n units of money, since each has an amount of its own. */
const OPENING_BALANCE = 10_000_000_000_000;

export interface CallersOptions {
  instances: Instances;
  record: ClientRecord;
  random: Random;
  /** Ends the load. */
  signal: AbortSignal;
  onAttempt: (attempt: Attempt) => void;
  /** A promise that was broken before anybody looked at the database. */
  onViolation: (what: string) => void;
}

/** One caller with a user of its own, so that it knows what the user's balance must be. */
export class Caller {
  readonly #options: CallersOptions;
  readonly #name: string;
  #user_id = 0;
  #amount = 0;
  #balance = 0;
  #visits = 0;
  /** Operations whose effect is not known: the balance may be lower, or higher, by these. */
  #unsettled: { operation: Operation; at: number }[] = [];

  constructor(options: CallersOptions, name: string) {
    this.#options = options;
    this.#name = name;
  }

  get user_id(): number {
    return this.#user_id;
  }

  async open(locale?: Locale): Promise<void> {
    const body = { email: `${this.#name}@example.org`, name: this.#name, ...(locale ? { locale } : {}) };
    const user = await this.#insist('user-service', '/users', body, `user-${this.#name}`);
    this.#user_id = user.id;
    const deposit = { amount: OPENING_BALANCE / 100 };
    await this.#insist('billing-service', `/accounts/${user.id}/deposit`, deposit, `opening-${this.#name}`);
    this.#balance = OPENING_BALANCE;
    const operation: Operation = {
      key: `opening-${this.#name}`,
      kind: 'deposit',
      user_id: user.id,
      amount: OPENING_BALANCE,
    };
    this.#options.record.add(operation, { kind: 'done', paid: true });
  }

  async run(): Promise<void> {
    const { random, signal } = this.#options;
    while (!signal.aborted) {
      const kind: Kind = random.chance(0.9) ? 'order' : random.pick(['deposit', 'withdrawal']);
      await this.#operate(kind);
      if (random.chance(0.1)) await this.#lookAtBalance();
      if (random.chance(VISIT)) await this.#visit();
    }
  }

  /** A new user, in whatever is going wrong just then. */
  async #visit(): Promise<void> {
    this.#visits += 1;
    const options = { ...this.#options, onAttempt: () => {} };
    const visitor = new Caller(options, `${this.#name}-visitor-${this.#visits}`);
    await visitor.open(this.#options.random.pick(['ru', 'en']));
    await visitor.#operate('order');
    await visitor.#lookAtBalance();
  }

  async #operate(kind: Kind): Promise<void> {
    const { random, record } = this.#options;
    this.#amount += 1;
    // Now and then more than the account holds.
    const dear = kind !== 'deposit' && random.chance(0.05);
    const amount = this.#amount + (dear ? 10 * OPENING_BALANCE : 0);
    const operation: Operation = {
      key: `${this.#name}-${this.#amount}`,
      kind,
      user_id: this.#user_id,
      amount,
    };
    const outcome = await this.#carryOut(operation, random.chance(ONCE));
    record.add(operation, outcome);
    if (outcome.kind === 'unknown' || outcome.kind === 'accepted')
      this.#unsettled.push({ operation, at: performance.now() });
    if (outcome.kind !== 'done') return;
    const isRight = outcome.paid === (kind === 'deposit' || amount <= this.#balance);
    if (this.#unsettled.length === 0 && !isRight)
      this.#options.onViolation(
        `${JSON.stringify(operation)} with ${this.#balance} there was told as ${outcome.paid ? 'paid' : 'refused'}`,
      );
    if (outcome.paid) this.#balance += changeBy(operation);
    if (kind === 'order' && random.chance(0.2)) await this.#lookForLetter(outcome);
  }

  async #carryOut(operation: Operation, once: boolean): Promise<Outcome> {
    const { kind, user_id, amount, key } = operation;
    const [service, path, body]: [ServiceName, string, object] =
      kind === 'order'
        ? ['order-service', '/orders', { user_id, price: amount / 100 }]
        : [
            'billing-service',
            `/accounts/${user_id}/${kind === 'deposit' ? 'deposit' : 'withdraw'}`,
            { amount: amount / 100 },
          ];
    const deadline = performance.now() + GIVE_UP_MS;
    let why = '';
    let url: string | undefined;
    let asked = 0;
    let accepted: number | undefined;
    for (;;) {
      url = this.#options.instances.urlOf(service, url);
      const at = performance.now();
      const reply = await this.#askOne(service, url, [path, body, key]);
      asked += 1;
      const final = reply.status === 200 || reply.status === 201;
      const ok = final || reply.status === 202;
      this.#options.onAttempt({
        at,
        isFirst: asked === 1,
        ok,
        user_id,
        isFinalOrder: final && kind === 'order',
      });
      const { id, status, message, withdrawn = true } = reply.body;
      if (ok && kind === 'order') {
        accepted ??= id;
        if (id !== accepted)
          this.#options.onViolation(`${JSON.stringify(operation)} was order ${accepted}, then ${id}`);
      }
      if (final) {
        return { kind: 'done', paid: kind === 'order' ? status === 'confirmed' : withdrawn, id, message };
      }
      why = reply.status === 0 ? reply.body.code : `${reply.status} ${reply.body.code ?? ''}`;
      const refused = NOTHING_DONE.has(reply.body.code);
      if (!refused && ![0, 202, 503].includes(reply.status)) {
        this.#options.onViolation(`${JSON.stringify(operation)} was answered ${why}`);
      }
      if (once && refused && asked === 1) return { kind: 'refused', code: reply.body.code };
      if (once || performance.now() > deadline)
        return accepted === undefined ? { kind: 'unknown', why } : { kind: 'accepted', id: accepted };
      await delay(this.#options.random.integer(20, 200));
    }
  }

  /** Now and then another instance is asked the same at the same moment: both may only say the same. */
  async #askOne(service: ServiceName, url: string, [path, body, key]: [string, object, string]) {
    const { random, instances } = this.#options;
    const urls = random.chance(DOUBLED) ? [url, instances.urlOf(service, url)] : [url];
    const replies = await Promise.all(urls.map((each) => call(each, 'POST', path, body, key)));
    const finals = replies.filter(({ status }) => status === 200 || status === 201);
    const told = new Set(finals.map((each) => JSON.stringify(each.body)));
    if (told.size > 1) this.#options.onViolation(`${key} was answered ${[...told].join(' and ')}`);
    // Of two refusals, one of which cannot tell, that one counts.
    const inDoubt = replies.find((each) => !NOTHING_DONE.has(each.body.code));
    return finals[0] ?? replies.find(({ status }) => status === 202) ?? inDoubt ?? replies[0]!;
  }

  /** Read-your-writes: the letter of an order that was answered is there, at any instance. */
  async #lookForLetter({ id, message }: { id?: number; message?: string | null }): Promise<void> {
    const path = `/notifications?user_id=${this.#user_id}&order=desc&limit=50`;
    const reply = await this.#read('notification-service', path);
    if (!reply) return;
    const letter = reply.items.find((item: { order_id: number }) => item.order_id === id);
    if (letter?.body !== message)
      this.#options.onViolation(`order ${id} was answered, but its letter is not there`);
  }

  async #lookAtBalance(): Promise<void> {
    await this.#settle();
    const account = await this.#read('billing-service', `/accounts/${this.#user_id}`);
    if (!account || this.#unsettled.length > UNSETTLED_MAX) return;
    const balance = Math.round(account.balance * 100);
    const possible = sums(
      this.#balance,
      this.#unsettled.map(({ operation }) => changeBy(operation)),
    );
    if (!possible.has(balance)) {
      const those = this.#unsettled.length === 0 ? '' : `, give or take ${this.#unsettled.length} operations`;
      this.#options.onViolation(
        `user ${this.#user_id} should hold ${this.#balance}${those}, but holds ${balance}`,
      );
    }
  }

  /** Asks what became of operations that are old enough: from then on the balance must be right to the unit again. */
  async #settle(): Promise<void> {
    const old = this.#unsettled.filter(({ at }) => performance.now() - at > SETTLED_MS);
    for (const { operation } of old) {
      const happened = await this.#hasHappened(operation);
      if (happened === undefined) return;
      if (happened) this.#balance += changeBy(operation);
      this.#unsettled = this.#unsettled.filter((each) => each.operation !== operation);
    }
  }

  /** Money moved by it is in the statement, by its amount; undefined: nobody tells. */
  async #hasHappened({ kind, amount }: Operation): Promise<boolean | undefined> {
    const wanted = kind === 'order' ? 'payment' : kind;
    for (let cursor = ''; ; ) {
      const path = `/accounts/${this.#user_id}/transfers?order=desc&limit=1000${cursor}`;
      const page = await this.#read('billing-service', path);
      if (!page) return undefined;
      const isIt = (transfer: { kind: string; amount: number }) =>
        transfer.kind === wanted && Math.round(transfer.amount * 100) === amount;
      if (page.items.some(isIt)) return true;
      if (page.next_cursor === null) return false;
      cursor = `&cursor=${encodeURIComponent(page.next_cursor)}`;
    }
  }

  // biome-ignore lint/suspicious/noExplicitAny: the body is what the route says
  async #read(service: ServiceName, path: string): Promise<any> {
    const deadline = performance.now() + GIVE_UP_MS;
    while (performance.now() < deadline) {
      const reply = await call(this.#options.instances.urlOf(service), 'GET', path);
      if (reply.status === 200) return reply.body;
      if (reply.status !== 0 && reply.status !== 503) {
        this.#options.onViolation(`GET ${path} was answered ${reply.status}`);
        return undefined;
      }
      await delay(this.#options.random.integer(20, 200));
    }
    return undefined;
  }

  // biome-ignore lint/suspicious/noExplicitAny: the body is what the route says
  async #insist(service: ServiceName, path: string, body: object, key: string): Promise<any> {
    let why = '';
    // By the clock: of an instance that is gone the answer comes at once.
    const deadline = performance.now() + GIVE_UP_MS;
    while (performance.now() < deadline) {
      const reply = await call(this.#options.instances.urlOf(service), 'POST', path, body, key);
      if (reply.status === 200 || reply.status === 201) return reply.body;
      why = `${reply.status} ${reply.body.code}`;
      // Who was told of the user is told of it everywhere.
      if (reply.status !== 0 && reply.status !== 503)
        this.#options.onViolation(`POST ${path} was answered ${why}`);
      await delay(100);
    }
    throw new Error(`POST ${path} is answered ${why} only`);
  }
}

function changeBy({ kind, amount }: Operation): number {
  return kind === 'deposit' ? amount : -amount;
}

/** `start` with any of the changes, or none. */
function sums(start: number, changes: number[]): Set<number> {
  let found = new Set([start]);
  for (const change of changes) found = new Set([...found].flatMap((sum) => [sum, sum + change]));
  return found;
}
