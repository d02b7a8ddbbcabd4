import type { LogReader } from './log.ts';
import { StartupError } from './startup-error.ts';
import { within } from './within.ts';

const ASK_MS_MAX = 2000;

/**
 * A log whose users are divided as ours are. With another number of partitions a user's events would be looked for where they
 * are not, without anybody noticing: what such a log holds is refused, and whoever follows it stands still and says why.
 */
export function withSamePartitions(log: LogReader, source: string, partitions: number): LogReader {
  let isSame = false;
  let asking: Promise<number> | undefined;
  async function check(): Promise<void> {
    if (isSame) return;
    // One question for all who wait: while the log is not there yet they ask again and again.
    asking ??= log.partitions().finally(() => {
      asking = undefined;
    });
    const found = await asking;
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

/** Rejects where a log that is there already is divided otherwise; what cannot be told now is looked at when it is read. */
export async function refuseOtherPartitions(logs: Iterable<LogReader>, stopping: AbortSignal): Promise<void> {
  const deadline = AbortSignal.any([stopping, AbortSignal.timeout(ASK_MS_MAX)]);
  const asked = [...logs].map((log) =>
    within(deadline, log.partitions()).catch((error) => {
      if (error instanceof StartupError) throw error;
    }),
  );
  await Promise.all(asked);
}
