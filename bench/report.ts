/** What the cases measured, over all rounds, as one table and as JSON. */
import { type Spread, spreadOf } from './statistics.ts';

/** One figure of one round. Latencies in milliseconds. */
export interface Row {
  name: string;
  value: number;
  unit: string;
  mean_ms?: number;
  p50_ms?: number;
  p99_ms?: number;
  p999_ms?: number;
  /** Replies other than 2xx, broken connections and time-outs. */
  errors?: number;
  /** Names of rows that this one is a multiple of, each in its own round. */
  against?: string[];
  note?: string;
}

/** What one case brought in one round; `failed`: its check did not hold, so its figures count for nothing. */
export interface Result {
  case: string;
  round: number;
  rows: Row[];
  failed?: string;
}

export interface Line {
  case: string;
  name: string;
  failed?: string;
  unit?: string;
  rounds?: number;
  value?: Spread;
  mean_ms?: number | undefined;
  p50_ms?: number | undefined;
  p99_ms?: number | undefined;
  p999_ms?: number | undefined;
  errors?: number | undefined;
  ratios?: (Spread & { to: string })[];
  note?: string | undefined;
}

/** One line per figure, in the order of their first appearance; one line for a case that failed in any round. */
export function summarize(results: Result[]): Line[] {
  return [...new Set(results.map((result) => result.case))].flatMap((name): Line[] => {
    const mine = results.filter((result) => result.case === name);
    const failure = mine.find((result) => result.failed !== undefined);
    if (failure) return [{ case: name, name, failed: `round ${failure.round}: ${failure.failed}` }];
    const names = new Set(mine.flatMap((result) => result.rows.map((row) => row.name)));
    return [...names].map((row) => lineOf(name, row, mine, results));
  });
}

function lineOf(name: string, row: string, mine: Result[], all: Result[]): Line {
  const found = mine.flatMap((result) =>
    result.rows.filter((candidate) => candidate.name === row).map((r) => ({ ...r, round: result.round })),
  );
  const middle = (key: 'mean_ms' | 'p50_ms' | 'p99_ms' | 'p999_ms') => {
    const values = found.flatMap((r) => r[key] ?? []);
    return values.length > 0 ? spreadOf(values).median : undefined;
  };
  const errors = found.flatMap((r) => r.errors ?? []);
  const last = found.at(-1)!;
  return {
    case: name,
    name: row,
    unit: last.unit,
    rounds: found.length,
    value: spreadOf(found.map((r) => r.value)),
    mean_ms: middle('mean_ms'),
    p50_ms: middle('p50_ms'),
    p99_ms: middle('p99_ms'),
    p999_ms: middle('p999_ms'),
    errors: errors.length > 0 ? errors.reduce((sum, count) => sum + count, 0) : undefined,
    ratios: (last.against ?? []).flatMap((to) => {
      const ratios = found.flatMap((r) => {
        const other = valueIn(all, r.round, to);
        return other === undefined ? [] : r.value / other;
      });
      return ratios.length > 0 ? { to, ...spreadOf(ratios) } : [];
    }),
    note: last.note,
  };
}

function valueIn(results: Result[], round: number, name: string): number | undefined {
  return results
    .filter((result) => result.round === round && result.failed === undefined)
    .flatMap((result) => result.rows)
    .find((row) => row.name === name)?.value;
}

const LATENCIES = ['mean ms', 'p50 ms', 'p99 ms', 'p99.9 ms'];
const HEADINGS = ['measured', 'median', 'min–max', 'unit', 'ratio', ...LATENCIES, 'errors', 'note'];
const RIGHT = new Set(['median', 'min–max', ...LATENCIES, 'errors']);

/** A Markdown table with aligned columns. */
export function renderTable(lines: Line[]): string {
  const rows = lines.map((line) => (line.value ? cellsOf(line, line.value) : failureOf(line)));
  const widths = HEADINGS.map((heading, i) => Math.max(heading.length, ...rows.map((row) => row[i]!.length)));
  const render = (cells: string[]) =>
    `| ${cells.map((cell, i) => (RIGHT.has(HEADINGS[i]!) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' | ')} |`;
  const rule = widths.map((width, i) =>
    RIGHT.has(HEADINGS[i]!) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width),
  );
  return [render(HEADINGS), render(rule), ...rows.map(render)].join('\n');
}

function failureOf({ name, failed }: Line): string[] {
  return [name, 'FAILED', ...HEADINGS.slice(3).map(() => ''), failed ?? ''];
}

function cellsOf(line: Line, value: Spread): string[] {
  const optional = (figure: number | undefined) => (figure === undefined ? '' : figureText(figure));
  return [
    line.name,
    figureText(value.median),
    line.rounds === 1 ? '' : `${figureText(value.min)}–${figureText(value.max)}`,
    line.unit ?? '',
    (line.ratios ?? []).map((ratio) => ratioText(ratio, line.rounds)).join('; '),
    optional(line.mean_ms),
    optional(line.p50_ms),
    optional(line.p99_ms),
    optional(line.p999_ms),
    line.errors === undefined ? '' : String(line.errors),
    line.note ?? '',
  ];
}

function ratioText({ to, median, min, max }: Spread & { to: string }, rounds: number | undefined): string {
  const spread = rounds === 1 ? '' : ` (${min.toFixed(2)}–${max.toFixed(2)})`;
  return `${median.toFixed(2)}${spread} × ${to}`;
}

/** Three or more significant digits: `12,345`, `45.6`, `0.78`; a dash for what could not be measured. */
export function figureText(value: number): string {
  if (Number.isNaN(value)) return '–';
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
