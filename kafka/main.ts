/** `npm run kafka`: a cluster to try things on, until Ctrl-C. */
import { parseArgs } from 'node:util';
import { runUntilStopped } from '@stream-processing/runtime/main.ts';
import { startCluster } from './cluster.ts';

const USAGE = `npm run kafka -- [--brokers 3]

Starts Kafka brokers on free ports of the loopback interface, in a temporary folder that is removed in the end. Needs Java 17
and, the first time, Maven. Prints KAFKA_BROKERS=…, for a service in another terminal: EVENT_LOG=kafka KAFKA_BROKERS=… npm start
(with fewer than three brokers KAFKA_REPLICATION_FACTOR=1 too). Ctrl-C stops them.
`;

function readBrokers(): number {
  const { values } = parseArgs({
    options: { brokers: { type: 'string', default: '3' }, help: { type: 'boolean' } },
  });
  if (values.help) {
    console.log(USAGE);
    process.exit(0);
  }
  if (!/^[1-9]$/.test(values.brokers))
    throw new Error(`--brokers: ${values.brokers} is not a number from 1 to 9`);
  return Number(values.brokers);
}

let brokers: number;
try {
  brokers = readBrokers();
} catch (error) {
  console.error((error as Error).message);
  process.exit(2);
}
await runUntilStopped(async () => {
  const cluster = await startCluster({ brokers, onProgress: console.error });
  for (const { address, pid } of cluster.nodes) console.log(`broker at ${address}, process ${pid}`);
  console.log(`KAFKA_BROKERS=${cluster.brokers.join(',')}`);
  return () => cluster.stop();
});
