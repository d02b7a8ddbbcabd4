import { type LogEvent, type LogReader, LogTruncated } from '@stream-processing/runtime/log.ts';
import type { World } from './world.ts';

const LATE_MS = 400;
/** How long a delivery waits for something behind the gap. */
const GAP_MS = 1000;

/**
 * A log whose deliveries are late, repeated, out of order, or left out in whole or in part, as the seed says. Out of order or
 * with a gap a consumer must stop loudly and ask again; repeated it must drop what it has.
 */
export function deliver(log: LogReader, { clock, faults, random }: World): LogReader {
  return {
    ...log,
    async read(partition, after, max) {
      if (faults.strikes('delay')) await clock.sleep(random.integer(1, LATE_MS));
      if (faults.strikes('drop')) return [];
      if (faults.strikes('gap')) {
        await log.wait(partition, after + 1, AbortSignal.timeout(GAP_MS));
        return log.read(partition, after + 1, max);
      }
      const again = faults.strikes('duplicate');
      const from = again ? Math.max(0, after - random.integer(1, 3)) : after;
      const events = await log.read(partition, from, max).catch((error) => {
        // What was removed is not repeated.
        if (again && error instanceof LogTruncated) return log.read(partition, after, max);
        throw error;
      });
      if (events.length > 1 && faults.strikes('reorder')) return shuffled(events, () => random.next());
      return events;
    },
  };
}

function shuffled(events: LogEvent[], next: () => number): LogEvent[] {
  const result = [...events];
  for (let i = result.length - 1; i > 0; i -= 1) {
    const j = Math.floor(next() * (i + 1));
    [result[i], result[j]] = [result[j]!, result[i]!];
  }
  return result;
}
