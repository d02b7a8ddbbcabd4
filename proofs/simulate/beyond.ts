/** Branches that the simulation cannot take; in a run of 1,000 seeds and more any other must occur. */
export interface Beyond {
  file: string;
  /** How it begins, blanks as one. */
  code: string;
  why: string;
  /** So many branches of the file begin so. */
  times?: number;
  /** Some runs of 1,000 seeds take it. */
  rare?: true;
}

const of = (file: string, why: string, ...codes: string[]): Beyond[] =>
  codes.map((code) => ({ file, code, why }));

const STOPS = 'processes die or stand still here; the graceful stop is the soak’s and the tests’';
const METRICS = 'nobody asks for metrics';
const CALM = 'three callers, one request at a time, fill no queue';
const SCHEMAS = 'every service’s schema is there before the first process starts';
const ONCE = 'no service publishes twice in one chained transaction, so none is handed events twice';
const WELL_FORMED = 'services publish well-formed events that agree with each other; tests make the others';
const KAFKA = 'events travel by PostgreSQL here; Kafka is the soak’s and the proofs’ of npm run test:kafka';
const UNSAVEABLE = 'nothing is decided that the database refuses for good';

export const BEYOND: Beyond[] = [
  ...of('runtime/chain.ts', STOPS, 'async leave(', 'async close('),
  { file: 'runtime/chain.ts', code: 'continue;', why: 'a head that somebody moved meanwhile', rare: true },
  ...of('runtime/idempotency.ts', 'nobody asks for the replies of no keys', 'return new Replies(new Map());'),
  ...of('runtime/log-postgres.ts', SCHEMAS, '? new LogMissing('),
  ...of(
    'runtime/log-postgres.ts',
    'all have the same number of partitions',
    'throw new Error(`the log has no partition',
  ),
  ...of('runtime/pipeline.ts', METRICS, 'get queued('),
  ...of('runtime/pipeline.ts', KAFKA, '// What others’ events led to', '#give({ told, tasks, withhold }'),
  ...of('runtime/share.ts', KAFKA, 'get answers(): Answers[] {'),
  ...of('runtime/pipeline.ts', STOPS, 'async close('),
  {
    file: 'runtime/pipeline.ts',
    code: "return Promise.reject(new Problem('stopping'));",
    why: STOPS,
    times: 2,
  },
  ...of('runtime/pipeline.ts', CALM, "return Promise.reject(new Problem('overloaded'));"),
  ...of('runtime/pipeline.ts', 'no log of a seed is as long', 'this.#behindUntil ='),
  ...of(
    'runtime/pipeline.ts',
    'a connection that is lost can be made again at once, so that eight tries never fail',
    '|| isConnectionLoss(error)',
    '|| isUnfit(error)',
    ": new Problem('unavailable', undefined",
  ),
  ...of('runtime/processor.ts', 'no disk is full, and no server follows another', 'return false;'),
  ...of('runtime/pipeline.ts', 'nobody keeps a lock for long', '&& (isContention(error)', '|| isLate'),
  ...of('runtime/pipeline.ts', UNSAVEABLE, 'return this.#isolate(', 'async #isolate('),
  { file: 'runtime/processor.ts', code: '{ await delay(MISSING_MS', why: SCHEMAS },
  ...of('runtime/processor.ts', SCHEMAS, '() => {}'),
  ...of(
    'runtime/processor.ts',
    WELL_FORMED,
    'catch (error) { malformed = error; break; }',
    'throw malformed;',
  ),
  ...of('runtime/processor.ts', WELL_FORMED, "throw new Error('the event speaks of a user"),
  ...of('runtime/processor.ts', 'the log is silent', 'for (const { partition, position, type, trace'),
  ...of('runtime/progress.ts', METRICS, 'applied('),
  ...of('runtime/progress.ts', SCHEMAS, '? `$'),
  ...of('runtime/retention.ts', KAFKA, 'await tellPassed(sql, RELAY'),
  ...of(
    'runtime/retention.ts',
    'the simulation says how often, and what time it is',
    'function tickOf(',
    '?? timeOf(sql)',
    'async function timeOf(',
  ),
  ...of('runtime/log-postgres.ts', 'the wiring of services asks for it', 'async partitions() {'),
  {
    file: 'runtime/retention.ts',
    code: 'return;',
    why: 'whoever removes nothing does not begin, and who dies does not go on',
    times: 2,
  },
  ...of('runtime/retention.ts', 'nothing but the connection fails', ": 'warn'"),
  ...of('runtime/retention.ts', 'no log of a seed is as long', '|| signal?.aborted'),
  ...of('runtime/share.ts', ONCE, '? this.#reached.get(processor)', '&& m.to === from', 'before.to = to;'),
  ...of('runtime/share.ts', 'every command here is one', '?? []'),
  ...of('runtime/share.ts', WELL_FORMED, 'catch { // Malformed'),
  ...of('runtime/share.ts', METRICS, '?.({ commands, seconds'),
  ...of(
    'runtime/share.ts',
    'no rule throws at a request',
    "catch (error) { return { kind: 'refused', error }; }",
  ),
  ...of('runtime/tail.ts', 'no log of a seed is as long', 'run.splice(0, KEPT);'),
  ...of('runtime/unit.ts', UNSAVEABLE, ": { kind: 'refused', error }"),
  ...of('services/billing-service/decide.ts', WELL_FORMED, 'throw new Error(`order $'),
  ...of('services/billing-service/store.ts', 'there are three users', '? empty()'),
  ...of('services/order-service/decide.ts', WELL_FORMED, '{ throw new Error(`billing decided order'),
  ...['billing', 'notification', 'order'].flatMap((name) =>
    of(
      `services/${name}-service/inbox.ts`,
      'services know each other’s events',
      'default: return undefined;',
    ),
  ),
  ...of('services/order-service/waiters.ts', METRICS, '(set) => set(this.#count)'),
  ...of('services/order-service/waiters.ts', CALM, 'get full(', 'return undefined;'),
];
