import { defineConfig } from 'vitest/config';
import project from '../../vitest.config.ts';

/** The tests beside the code that is mutated. Those by HTTP would find more, and take minutes for each mutant that lives. */
export default defineConfig({
  test: {
    ...project.test,
    include: [
      'contracts/money.test.ts',
      'services/*/{decide,ledger,store}.test.ts',
      'runtime/{append,cursors,idempotency,log-postgres,pipeline}.test.ts',
    ],
    globalSetup: ['proofs/mutate/postgres.ts'],
  },
});
