import type { LogReader } from './log.ts';
import { StartupError } from './startup-error.ts';

/**
 * A log whose users are divided as ours are. With another number of partitions a user's events would be looked for where they
 * are not, without anybody noticing: what such a log holds is refused, and whoever follows it stands still and says why.
 */
export function withSamePartitions(log: LogReader, source: string, partitions: number): LogReader {
  let isSame = false;
  async function check(): Promise<void> {
    if (isSame) return;
    const found = await log.partitions();
    if (found !== partitions)
      throw new StartupError(
        `the log of ${source} has ${found} partitions, but PARTITIONS is ${partitions} here: it has to be the same everywhere`,
      );
    isSame = true;
  }
  return {
    ...log,
    async read(...asked) {
      await check();
      return log.read(...asked);
    },
    async end(partition) {
      await check();
      return log.end(partition);
    },
    async partitions() {
      await check();
      return partitions;
    },
  };
}

/** Rejects where a log that is there already is divided otherwise; what cannot be asked now is looked at when it is read. */
export async function refuseOtherPartitions(logs: Iterable<LogReader>): Promise<void> {
  const asked = [...logs].map((log) =>
    log.partitions().catch((error) => {
      if (error instanceof StartupError) throw error;
    }),
  );
  await Promise.all(asked);
}
