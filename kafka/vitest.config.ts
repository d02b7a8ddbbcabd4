import path from 'node:path';
import { defineConfig } from 'vitest/config';

/** `npm run test:kafka`: events over real brokers. */
export default defineConfig({
  root: path.join(import.meta.dirname, '..'),
  test: {
    // The product's own tests too: what they start has its events carried by the brokers that are there (testConfig, logSettings).
    include: [
      'kafka/*.proof.ts',
      'test/flow.test.ts',
      'test/api-*.test.ts',
      'test/scenario.test.ts',
      'test/instances.test.ts',
    ],
    globalSetup: ['test/postgres.ts', 'kafka/brokers.ts'],
    fileParallelism: false,
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
