export interface Spread {
  median: number;
  min: number;
  max: number;
}

/** Of at least one number. */
export function spreadOf(values: number[]): Spread {
  return { median: percentile(values, 50), min: Math.min(...values), max: Math.max(...values) };
}

/** The smallest value that `percent` of all values do not exceed; the median of an even number is the middle's mean. */
export function percentile(values: number[], percent: number): number {
  if (values.length === 0) throw new Error('percentile of no values');
  const sorted = Float64Array.from(values).sort();
  const rank = (sorted.length * percent) / 100;
  if (percent === 50 && Number.isInteger(rank)) return (sorted[rank - 1]! + sorted[rank]!) / 2;
  return sorted[Math.max(0, Math.ceil(rank) - 1)]!;
}
