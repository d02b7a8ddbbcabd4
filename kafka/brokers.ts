import type { TestProject } from 'vitest/node';
import { startCluster } from './cluster.ts';

declare module 'vitest' {
  interface ProvidedContext {
    /** host:port of some of the cluster's brokers; undefined: events travel by PostgreSQL. */
    kafkaBrokers: string[] | undefined;
  }
}

/** One cluster for all proofs: the given one, or three brokers of our own. */
export default async function setup(project: TestProject) {
  const given = process.env.KAFKA_BROKERS;
  if (given) {
    project.provide('kafkaBrokers', given.split(','));
    return;
  }
  const cluster = await startCluster({ onProgress: (text) => console.log(text) });
  project.provide('kafkaBrokers', cluster.brokers);
  return () => cluster.stop();
}
