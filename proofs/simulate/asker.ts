import { Problem, type ProblemCode } from '@stream-processing/contracts/problems.ts';
import { isConnectionLoss } from '@stream-processing/runtime/sql-errors.ts';
import type { Reply } from './routes.ts';
import { NoAnswer, type World } from './world.ts';

/** Service, method, path and request. */
export type Call = Parameters<World['call']>;

export const TRIES = 200;

/** Asks for one caller, any instance, and sees to it that answers are such as may be given. */
export class Asker {
  readonly #world: World;
  /** The first answer to each request by its id; of an order the final one, once there is one. */
  readonly #told = new Map<string, Reply>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The reply, or a code that says why there is none. `expected`: the refusal that is the right answer. */
  async ask(call: Call, expected?: ProblemCode): Promise<Reply | string> {
    const [, method, , request] = call;
    const known = this.#told.get(request.id);
    try {
      const reply = await this.#world.call(...call);
      if (method === 'POST') this.#compare(request.id, reply, known);
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

  /** Until it is answered. */
  async insist(...call: Call): Promise<Reply> {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const answer = await this.ask(call);
      if (typeof answer !== 'string') return answer;
      await this.#world.clock.sleep(this.#world.random.integer(10, 500));
    }
    throw new Error(`${call[1]} ${call[2]} is never answered`);
  }

  /** Until it is refused so. */
  async expectRefusal(code: ProblemCode, ...call: Call): Promise<void> {
    for (let tries = 1; tries <= TRIES; tries += 1) {
      const answer = await this.ask(call, code);
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

  /**
   * Same key, same answer, to the letter; an order that was pending may have its result by then. `known`: what was told when this
   * was asked: of two that are asked at once, the one with the result may be answered first.
   */
  #compare(key: string, reply: Reply, known: Reply | undefined): void {
    const before = this.#told.get(key);
    const final = isPending(reply) ? known : before;
    const isOther =
      (final && !isPending(final) && textOf(final) !== textOf(reply)) ||
      (before && (isPending(before) || isPending(reply)) && before.body.id !== reply.body.id);
    if (isOther)
      this.#world.violation(`${key} was answered ${JSON.stringify(before)}, then ${JSON.stringify(reply)}`);
    if (!before || isPending(before)) this.#told.set(key, reply);
  }
}

function isPending({ body }: Reply): boolean {
  return body.status === 'pending';
}

function textOf({ status, body }: Reply): string {
  return JSON.stringify([status, body]);
}
