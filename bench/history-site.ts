import { connect } from '@stream-processing/runtime/sql.ts';
import type { Context, Site } from './context.ts';
import { loadHistory } from './history.ts';
import type { HistoryOptions } from './history-arithmetic.ts';
import { startProduct } from './installation.ts';

/** An installation of its own with a past; its services are stopped and started as often as wanted. */
export interface HistorySite {
  start(): Promise<Site>;
  /** Stops what runs and drops the database. */
  remove(): Promise<void>;
}

export async function createHistorySite(
  { createDatabase, dropDatabase, folder, signal, size, progress }: Context,
  name: string,
  history: Omit<HistoryOptions, 'onProgress'>,
): Promise<HistorySite> {
  const databaseUrl = await createDatabase(name);
  // Creates the tables.
  await (await startProduct({ databaseUrl, folder, signal })).stop();
  const onProgress = (text: string) => !size.quick && progress(`  ${name}: ${text}`);
  await loadHistory(databaseUrl, { ...history, onProgress });
  signal.throwIfAborted();
  const closers: (() => Promise<void>)[] = [];
  return {
    async start() {
      const product = await startProduct({ databaseUrl, folder, signal });
      closers.unshift(() => product.stop());
      const sql = connect(databaseUrl, { max: 2, name: 'bench', schema: 'public' });
      closers.unshift(() => sql.end());
      return { product, users: { first: 1, last: history.users }, sql };
    },
    async remove() {
      for (const close of closers) await close();
      await dropDatabase(name);
    },
  };
}
