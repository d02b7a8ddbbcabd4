import { mkdtemp, rm } from 'node:fs/promises';
import path from 'node:path';
import { startProduct } from '../installation.ts';
import type { Row } from '../report.ts';
import type { Case } from './case.ts';

/** From the start of `everything.ts` to its last line, with a PostgreSQL of its own. */
export const start: Case = {
  name: 'start',
  async run({ folder, signal }) {
    const dataDir = await mkdtemp(path.join(folder, 'start-'));
    const rows: Row[] = [];
    for (const name of ['start on a new data folder', 'start on an existing one']) {
      const product = await startProduct({ dataDir, folder, signal });
      await product.stop();
      rows.push({ name, value: product.ready_ms, unit: 'ms' });
    }
    await rm(dataDir, { recursive: true });
    return rows;
  },
};
