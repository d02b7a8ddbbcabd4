import path from 'node:path';
import { defineConfig } from 'vitest/config';

const root = path.join(import.meta.dirname, '..');

/** `npm run test:containers`: the image, Compose and the chart for real. `-- --project chart` is the chart alone. */
export default defineConfig({
  root,
  test: {
    fileParallelism: false,
    bail: 1,
    projects: [
      {
        root,
        test: {
          name: 'engine',
          include: ['containers/{compose,pods}*.proof.ts'],
          globalSetup: ['containers/engine.ts'],
          testTimeout: 300_000,
        },
      },
      {
        root,
        test: {
          name: 'chart',
          include: ['containers/chart.proof.ts'],
          testTimeout: 120_000,
          hookTimeout: 300_000,
        },
      },
    ],
  },
});
