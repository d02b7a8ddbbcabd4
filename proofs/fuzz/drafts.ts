import fc from 'fast-check';
import { Random } from '../random.ts';
import type { Operation } from './documents.ts';
import { type Hostility, hostilities } from './hostile.ts';
import { nameOf } from './known.ts';
import { nearlyValid } from './nearly-valid.ts';
import { repeated, reusedKey } from './repeat.ts';
import {
  bytesOf,
  type Draft,
  expectationOf,
  JSON_HEADER,
  type Plan,
  type Request,
  targetOf,
} from './request.ts';
import { valid } from './valid.ts';

/** Of ten requests. Enough hostile ones of 500 that each of the list comes up. */
const TURNS = [
  'valid',
  'nearly',
  'hostile',
  'valid',
  'nearly',
  'hostile',
  'valid',
  'nearly',
  'hostile',
  'hostile',
];
/** Of those that can have an Idempotency-Key: they use one that was answered already. */
const REPEATED = 0.25;
/** As RFC 7240 has it, and some that it has not. None makes an order wait for long. */
const PREFERENCES = [
  'respond-async',
  'wait=0',
  'wait=2',
  'wait="1"',
  'Wait = 1; x',
  'handling=lenient',
  'wait=x',
  '',
];

/** So many requests to an operation, in their order; the same seed gives the same ones. */
export function drafts(operation: Operation, count: number, seed: number): Draft[] {
  const plans = fc.sample(planOf(operation), { numRuns: count, seed });
  // Not fast-check's: two of its samples of like seeds go together, so that what is repeated would depend on what is asked.
  const random = new Random(seed);
  const changes = { nearly: nearlyValid(operation), hostile: hostilities(operation) };
  const turnsOf = { nearly: endless(changes.nearly, seed), hostile: endless(changes.hostile, seed) };
  return plans.map((plan, i) => {
    const number = random.integer(0, 1_000_000);
    const repeats = random.chance(REPEATED) && operation.body !== undefined;
    const draft = fresh(operation, plan);
    const turn = TURNS[i % TURNS.length] as 'valid' | 'nearly' | 'hostile';
    if (turn === 'valid') return repeats ? repeated(operation, draft, number) : draft;
    if (turn === 'nearly' && repeats) return reusedKey(operation, draft, number);
    return changed(operation, draft, turnsOf[turn].next().value!, number);
  });
}

/** Some valid request. */
export function firstValid(operation: Operation): Draft {
  const [plan] = fc.sample(planOf(operation), { numRuns: 1, seed: 1 });
  return fresh(operation, plan!);
}

function planOf({ path, parameters, body }: Operation): fc.Arbitrary<Plan> {
  const place = (where: string) => parameters.filter((parameter) => parameter.in === where);
  const paths = place('path').map(({ name, schema }) => [name, valid(schema, nameOf(path, name))]);
  const queries = place('query').map(({ name, schema, required }) => {
    const told = valid(schema, name).map((value): [string, unknown][] => [[name, value]]);
    return required ? told : fc.oneof(told, fc.constant<[string, unknown][]>([]));
  });
  const headers = place('header').map(({ name, schema }) => {
    const values = name === 'prefer' ? fc.constantFrom(...PREFERENCES) : valid(schema, name);
    return fc.oneof(
      values.map((value): [string, string][] => [[name, String(value)]]),
      fc.constant<[string, string][]>([]),
    );
  });
  return fc.record({
    path: fc.record(Object.fromEntries(paths) as Record<string, fc.Arbitrary<unknown>>),
    query: fc.tuple(...queries).map((all) => all.flat()),
    headers: fc.tuple(...headers).map((all) => all.flat()),
    body: body ? valid(body.schema) : fc.constant(undefined),
  });
}

/** The request as planned, with what is known filled in. */
function fresh(operation: Operation, plan: Plan): Draft {
  return (known) => {
    const content = known.fill(plan.body);
    const request = {
      method: operation.method,
      target: targetOf(operation, plan, known),
      headers: operation.body ? [JSON_HEADER, ...plan.headers] : plan.headers,
      body: bytesOf(content),
    };
    const expect = expectationOf(operation, request);
    if (expect.is !== 'taken')
      throw new Error(
        `made as a valid request, but is none: ${operation.name} ${request.target} ${request.body}`,
      );
    return { ...request, kind: 'valid', what: 'as described', content, expect, stray: false };
  };
}

function changed(operation: Operation, draft: Draft, hostility: Hostility, number: number): Draft {
  return (known) => {
    const { kind, what, codes, open = false, stray = false } = hostility;
    const valid = draft(known);
    const request: Request = { ...valid, ...hostility.change(valid, number), kind, what, stray };
    const judged = stray ? ({ is: 'open' } as const) : expectationOf(operation, request);
    const expect = codes
      ? ({ is: 'refused', codes } as const)
      : open && judged.is === 'taken'
        ? ({ is: 'open' } as const)
        : judged;
    return { ...request, expect };
  };
}

/** All of them in an order of the seed's, again and again. */
function* endless<T>(all: T[], seed: number): Generator<T> {
  const [shuffled = []] = fc.sample(fc.shuffledSubarray(all, { minLength: all.length }), {
    numRuns: 1,
    seed,
  });
  for (;;) yield* shuffled;
}
