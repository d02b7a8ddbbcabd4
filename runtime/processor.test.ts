import { EventEmitter, once } from 'node:events';
import pino from 'pino';
import { expect, onTestFinished, test } from 'vitest';
import { add, counter, createToy, TOY_SOURCE, toyPipeline } from '../test/toy.ts';
import type { LogEvent, LogReader } from './log.ts';
import { PositionWaits } from './position-waits.ts';
import { Processor, type ProcessorOptions } from './processor.ts';
import type { EventsResult } from './work.ts';

type Add = ReturnType<typeof add>['command'];

function event(position: number, user_id = 1, by = 1): LogEvent {
  return {
    partition: 1,
    position,
    type: 'Added',
    user_id,
    data: { by },
    trace: null,
    created_at: new Date(),
  };
}

/** A log whose every delivery the test chooses, in front of a real pipeline; `on` tells what the processor reports. */
async function processing(deliver: (after: number) => LogEvent[], more: Partial<ProcessorOptions<Add>> = {}) {
  const { sql } = await createToy();
  const { pipeline } = toyPipeline(sql);
  const on = new EventEmitter();
  const waits = new PositionWaits();
  const log: LogReader = {
    partitions: async () => 1,
    read: async (_partition, after) => deliver(after),
    end: async () => 0,
    wait(partition, after, signal) {
      on.emit('idle', after);
      return waits.until(partition, after + 1, signal);
    },
    leave: () => void on.emit('left'),
    seen: () => 0,
    hint: (partition, position) => waits.reached(partition, position),
    tellPassed: async () => {},
    close: async () => {},
  };
  const lines: { msg: string; err?: { message: string } }[] = [];
  const logger = pino({ level: 'info' }, { write: (line) => void lines.push(JSON.parse(line)) });
  const stop = new AbortController();
  const processor = new Processor<Add>({
    source: TOY_SOURCE,
    partition: 1,
    log,
    toCommand: ({ user_id, data }) => ({ user_id, by: (data as { by: number }).by }),
    submit: (commands, cursor) => pipeline.submitEvents(commands, cursor),
    position: async () => Number((await sql`select position from cursor where partition = 1`)[0]!.position),
    fresh: async () => {},
    onState: (state) => on.emit(state),
    onConflict: () => on.emit('conflict'),
    logger,
    ...more,
  });
  const done = processor.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await done;
  });
  const heard = (name: string) => once(on, name, { signal: AbortSignal.timeout(10_000) });
  return { sql, log, lines, heard, done, pipeline, stop, processor };
}

test('applies events in order and goes on with news', async () => {
  let end = 3;
  const { sql, log, heard } = await processing((after) =>
    Array.from({ length: end - after }, (_, i) => event(after + i + 1)),
  );
  await heard('idle');
  expect(await counter(sql, 1)).toBe(3);
  end = 5;
  const idle = heard('idle');
  log.hint(1, 5);
  await idle;
  expect(await counter(sql, 1)).toBe(5);
});

test('drops a position that it has applied already', async () => {
  const { sql, heard } = await processing((after) =>
    after < 4 ? [1, 2, 2, 3, 4].map((position) => event(position)).slice(after === 0 ? 0 : 1) : [],
  );
  await heard('idle');
  expect(await counter(sql, 1)).toBe(4);
});

test('stops the partition at a gap, loudly, and skips nothing', async () => {
  const { sql, heard, lines } = await processing((after) => (after === 0 ? [event(1)] : [event(3)]));
  await heard('stopped');
  expect(await counter(sql, 1)).toBe(1);
  expect(lines[0]).toMatchObject({
    msg: 'partition stopped',
    err: { message: 'gap in the log: position 2 is missing, 3 came' },
  });
});

test('stops at an event that cannot be read, after applying those before it', async () => {
  const toCommand = ({ user_id, position }: LogEvent) => {
    if (position === 3) throw new Error('malformed');
    return { user_id, by: 1 };
  };
  const { sql, heard, lines } = await processing(
    (after) => [1, 2, 3, 4].filter((p) => p > after).map((p) => event(p)),
    { toCommand },
  );
  await heard('stopped');
  expect(await counter(sql, 1)).toBe(2);
  expect(lines[0]).toMatchObject({ msg: 'partition stopped', err: { message: 'malformed' } });
});

test('goes on by itself once what stopped it is mended', async () => {
  let mended = false;
  const { sql, heard } = await processing((after) => (after > 0 ? [] : [mended ? event(1) : event(2)]));
  await heard('stopped');
  mended = true;
  await heard('running');
  expect(await counter(sql, 1)).toBe(1);
});

test('an event of an unknown user waits for the other logs and is tried again', async () => {
  let waits = 0;
  const submitted: number[] = [];
  const { heard } = await processing((after) => (after === 0 ? [event(1)] : []), {
    async fresh() {
      waits += 1;
    },
    async submit(commands): Promise<EventsResult> {
      submitted.push(commands.length);
      return waits === 0 ? { applied: 0, stopped: 'missing' } : { applied: 1 };
    },
  });
  await heard('idle');
  expect({ waits, submitted }).toEqual({ waits: 1, submitted: [1, 1] });
});

test('an event of a user whom no log announces stops the partition', async () => {
  const { sql, heard, lines } = await processing((after) => (after === 0 ? [event(1, 901)] : []));
  await heard('stopped');
  expect(lines[0]!.err!.message).toBe('the event speaks of a user whom no log announces');
  expect(await counter(sql, 901)).toBeUndefined();
});

test('lets go of the partition when an event fails that somebody else has applied already', async () => {
  let cursor = 0;
  const { heard, lines, done } = await processing((after) => (after === 0 ? [event(1)] : []), {
    position: async () => cursor,
    async submit(): Promise<EventsResult> {
      cursor = 1;
      return { applied: 0, stopped: new Error('was decided again') };
    },
  });
  await heard('conflict');
  await done;
  expect(lines.map(({ msg }) => msg)).toEqual(['another instance worked on this partition, letting go']);
});

test('lets go of the partition when somebody else has moved its cursor', async () => {
  const { sql, heard, pipeline, log, done } = await processing((after) =>
    after === 0 ? [event(1)] : after === 1 ? waiting() : [],
  );
  let news = false;
  const waiting = () => (news ? [event(2)] : []);
  await heard('idle');
  await pipeline.submitEvents([add(1, 10)], { source: TOY_SOURCE, partition: 1, from: 1 });
  news = true;
  const conflict = heard('conflict');
  log.hint(1, 2);
  await conflict;
  await done;
  expect(await counter(sql, 1)).toBe(11);
});

/** In the middle of its work on event 1, which ends as the test says. */
async function submitting() {
  const { promise: begun, resolve: onSubmit } = Promise.withResolvers<void>();
  const { promise: result, resolve: answer, reject: fail } = Promise.withResolvers<EventsResult>();
  const given = await processing((after) => (after === 0 ? [event(1)] : []), {
    submit: () => {
      onSubmit();
      return result;
    },
  });
  await begun;
  return { ...given, answer, fail };
}

test('when its partition goes to others it leaves the log, also from the middle of its work', async () => {
  const { heard, stop, done, answer } = await submitting();
  const left = heard('left');
  stop.abort();
  answer({ applied: 1 });
  await Promise.all([left, done]);
});

test('events that a chain turns out to have applied meanwhile do not stop the partition', async () => {
  const { heard, lines, processor, fail } = await submitting();
  processor.advance([event(1)]);
  fail(new Error('decided again'));
  await heard('idle');
  expect(lines).toEqual([]);
});
