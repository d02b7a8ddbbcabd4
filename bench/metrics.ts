/** One service's `/metrics`, by the name of the metric and then by its labels. */
export interface Metrics {
  /** The sum over all label sets that contain these labels; 0 where there is none. */
  sum(name: string, labels?: Record<string, string>): number;
}

export async function readMetrics(url: string, signal: AbortSignal): Promise<Metrics> {
  const response = await fetch(`${url}/metrics`, { signal });
  if (!response.ok) throw new Error(`GET ${url}/metrics: ${response.status}`);
  return parseMetrics(await response.text());
}

/** Prometheus' text format. */
export function parseMetrics(text: string): Metrics {
  const samples = [...text.matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)].map(([, name, labels = '', value]) => ({
    name,
    labels: new Map([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, key, label]) => [key!, label!])),
    value: Number(value),
  }));
  return {
    sum: (name, labels = {}) =>
      samples
        .filter((sample) => sample.name === name)
        .filter((sample) => Object.entries(labels).every(([key, value]) => sample.labels.get(key) === value))
        .reduce((total, sample) => total + sample.value, 0),
  };
}
