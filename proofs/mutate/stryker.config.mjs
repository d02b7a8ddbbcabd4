/** For Stryker, in a copy of the project whose files it may change. */
export default {
  mutate: [
    'contracts/money.ts',
    'services/*/decide.ts',
    'services/billing-service/ledger.ts',
    'services/billing-service/store.ts',
    'runtime/append.ts',
    'runtime/cursors.ts',
    'runtime/idempotency.ts',
  ],
  inPlace: true,
  ignorePatterns: ['.data'],
  testRunner: 'vitest',
  vitest: { configFile: 'proofs/mutate/vitest.config.ts', pool: 'forks', related: false },
  coverageAnalysis: 'perTest',
  concurrency: 2,
  reporters: ['clear-text', 'progress-append-only', 'html', 'json'],
  clearTextReporter: { allowColor: false, allowEmojis: false, logTests: false, reportTests: false },
  thresholds: { high: 95, low: 90, break: 85 },
};
