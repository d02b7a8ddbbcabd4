/** The answers to a transaction's requests, by what others have to see before they are given. */
import { type LogEvent, partitionOf } from './log.ts';
import { answer, type Fate, refuse, type Unit } from './unit.ts';
import type { Decision } from './work.ts';

/** What an answer tells of, by the log: nobody is to hear of it before the other services can. */
export interface Told {
  /** undefined: all of them. */
  partition: number | undefined;
  /** The log up to here; undefined: all that it holds by now. */
  position: number | undefined;
}

export interface Answers {
  /** undefined: nothing that others would have to see. */
  told: Told | undefined;
  /** To be given one by one. */
  tasks: (() => void)[];
  /** Instead: it is committed, but that must not be said. */
  withhold: (error: unknown) => void;
}

interface Decided<Command, D extends Decision> {
  unit: Unit<Command, D>;
  fate: Fate<D>;
}

const ALL = 'all';
const NOTHING = 'nothing';

/**
 * One for each partition that is spoken of, so that one whose events are not taken keeps nobody else waiting. `events`: what the
 * transaction appended, as far as their positions are known. Positions are visible in order: whoever sees an event of a
 * partition sees all before it, so that the newest stands for whatever is told of the partition's users.
 */
export function answersOf<Command, D extends Decision>(
  decided: Decided<Command, D>[],
  events: LogEvent[],
  partitions: number,
): Answers[] {
  const ends = new Map(events.map(({ partition, position }) => [partition, position]));
  const requests = decided.filter(({ unit }) => !unit.cursor);
  const groups = Map.groupBy(requests, ({ unit, fate }) => spokenOf(unit, fate, partitions));
  return [...groups].map(([partition, answers]) => ({
    told: partition === NOTHING ? undefined : toldOf(partition, ends),
    tasks: answers.map(
      ({ unit, fate }) =>
        () =>
          answer(unit, fate),
    ),
    withhold(error) {
      for (const { unit } of answers) refuse(unit, error);
    },
  }));
}

function toldOf(partition: number | typeof ALL, ends: Map<number, number>): Told {
  return partition === ALL
    ? { partition: undefined, position: undefined }
    : { partition, position: ends.get(partition) };
}

/** The partition of the user whom the answer is about. */
function spokenOf<Command, D extends Decision>(
  { request }: Unit<Command, D>,
  fate: Fate<D>,
  partitions: number,
): number | typeof ALL | typeof NOTHING {
  const isAnswer = fate.kind === 'replayed' || (fate.kind === 'decided' && !fate.decision.missing);
  if (!isAnswer) return NOTHING;
  const event = fate.kind === 'decided' ? fate.decision.events?.[0] : undefined;
  const kept = fate.kind === 'replayed' ? request?.userOf?.(fate.replay) : undefined;
  const user_id = event?.user_id ?? request?.user_id ?? kept;
  if (user_id !== undefined) return partitionOf(user_id, partitions);
  // What was refused, and kept, is about nobody; else it names its user in its text alone.
  return fate.kind === 'replayed' && fate.replay.status < 400 ? ALL : NOTHING;
}
