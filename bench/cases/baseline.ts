import type { Row } from '../report.ts';
import type { Case } from './case.ts';

export const BASELINE_UNIFORM = 'SQL by hand, all accounts';
export const BASELINE_ONE = 'SQL by hand, one account';

export const baselineUniform = baselineCase('baseline-uniform', BASELINE_UNIFORM, (users) => users);
export const baselineOneAccount = baselineCase('baseline-one-account', BASELINE_ONE, () => 1);

function baselineCase(name: string, title: string, usersOf: (users: number) => number): Case {
  return {
    name,
    async run({ baseline, size }): Promise<Row[]> {
      const { per_s, mean_ms, p50_ms, p99_ms } = await (await baseline()).run(
        usersOf(size.users),
        size.seconds,
      );
      const note = '32 connections';
      return [{ name: title, value: per_s, unit: 'orders/s', mean_ms, p50_ms, p99_ms, note }];
    },
  };
}
