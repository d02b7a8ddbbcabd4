export interface Sample<T> {
  /** Since the start of the sampling. */
  ms: number;
  value: T;
}

/** Reads a value at once and then regularly, until `stop`, which reads it once more and answers all. */
export function sampleEvery<T>(everyMs: number, read: () => Promise<T>): { stop(): Promise<Sample<T>[]> } {
  const samples: Promise<Sample<T>>[] = [];
  const began = performance.now();
  const take = () => {
    const ms = performance.now() - began;
    const sample = read().then((value) => ({ ms, value }));
    // Told by `stop`.
    sample.catch(() => {});
    samples.push(sample);
  };
  take();
  const timer = setInterval(take, everyMs);
  return {
    stop() {
      clearInterval(timer);
      take();
      return Promise.all(samples);
    },
  };
}
