import { SERVICES } from '@stream-processing/contracts/names.ts';
import type { Urls } from '../../bench/installation.ts';
import { UsageError } from '../command.ts';
import { Random } from '../random.ts';
import { type Operation, readDocuments } from './documents.ts';
import { drafts } from './drafts.ts';
import { elsewhere } from './elsewhere.ts';
import { Known } from './known.ts';
import { type Lane, runLane } from './lane.ts';
import { type NotHttp, runNotHttp } from './not-http.ts';
import { ordinaryOrder } from './ordinary.ts';
import { Tally } from './tally.ts';

export interface FuzzOptions {
  requests: number;
  seed: number;
  operation: string | undefined;
  signal: AbortSignal;
  progress: (text: string) => void;
}

/** Users with an account, an order and a letter each, whom the requests can speak of from the beginning. */
const USERS = 5;
const SEED_MAX = 2 ** 31 - 1;
const TELL_MS = 10_000;
const ROUNDS_PER_REQUESTS = 250;

/** All operations at once, the requests of each one after another; answers what came of them. */
export async function fuzz(urls: Urls, options: FuzzOptions): Promise<Tally[]> {
  const { requests, seed, operation: wanted = '', signal, progress } = options;
  const operations = await readDocuments(urls);
  const known = new Known();
  for (let i = 1; i <= USERS; i += 1) await ordinaryOrder(urls, `user-${i}`, known);

  const seeds = new Random(seed);
  const lanes = [...operations, ...SERVICES.map((service) => nowhere(operations, service))]
    .map((operation): Lane => {
      const seedHere = seeds.integer(1, SEED_MAX);
      const made = operation.path
        ? drafts(operation, requests, seedHere)
        : elsewhere(ofService(operations, operation.service), requests, new Random(seedHere)).map(
            (each) => () => each,
          );
      return { operation, drafts: made, tally: new Tally(operation.name, operation.path !== '') };
    })
    .filter(({ tally }) => tally.name.includes(wanted));
  const wires = SERVICES.map((service): NotHttp => {
    const operation = ofService(operations, service).find(({ body }) => body)!;
    return {
      operation,
      tally: new Tally(`not HTTP, at ${service}`),
      cuts: requests,
      rounds: Math.ceil(requests / ROUNDS_PER_REQUESTS),
    };
  }).filter(({ tally }) => tally.name.includes(wanted));
  const tallies = [...lanes, ...wires].map(({ tally }) => tally);
  if (tallies.length === 0) throw new UsageError(`--operation: no operation's name holds ${wanted}`);
  progress(`seed ${seed}: ${requests} requests for each of ${lanes.length} operations`);

  const problem = operations[0]!.replies.get(500)!.check;
  const telling = setInterval(() => {
    const total = (of: (tally: Tally) => number) => tallies.reduce((sum, tally) => sum + of(tally), 0);
    progress(`${total(({ sent }) => sent)} requests, ${total(({ findings }) => findings.length)} findings`);
  }, TELL_MS);
  // Where one of them fails by a fault of its own, the others need not go on.
  const failed = new AbortController();
  const ending = AbortSignal.any([signal, failed.signal]);
  try {
    await Promise.all([
      ...lanes.map((lane) => runLane(lane, { known, problem, signal: ending })),
      ...wires.map((wire, i) => runNotHttp(wire, { known, random: new Random(seed + i), signal: ending })),
    ]);
  } finally {
    failed.abort();
    clearInterval(telling);
  }
  return tallies;
}

/** What is at no operation's place. */
function nowhere(operations: Operation[], service: Operation['service']): Operation {
  const { url } = ofService(operations, service)[0]!;
  const name = `elsewhere, at ${service}`;
  return { service, url, name, method: '', path: '', parameters: [], body: undefined, replies: new Map() };
}

function ofService(operations: Operation[], service: string): Operation[] {
  return operations.filter((operation) => operation.service === service);
}
