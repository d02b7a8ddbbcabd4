import type { Context } from '../context.ts';
import type { Row } from '../report.ts';

export interface Case {
  /** `--case` takes it, or its beginning. */
  name: string;
  /** Run once, after the rounds. */
  once?: boolean;
  /** Runs only where `--case` asks for it. */
  asked?: boolean;
  /** Takes too long for `--quick`. */
  fullOnly?: boolean;
  /** One round. Rejects when the check afterwards fails. */
  run(context: Context, round: number): Promise<Row[]>;
}
