import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { until } from '../test/until.ts';
import { startCluster } from './cluster.ts';
import { connectKafka, givenKafka, sendUntilTaken } from './given.ts';

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

test('a broker that lost its data gets them back from the others', async () => {
  const cluster = await startCluster();
  onTestFinished(() => cluster.stop());
  const kafka = connectKafka(givenKafka({ brokers: cluster.brokers }));
  await kafka.createTopic('user-service', 3);
  const topic = kafka.topicOf('user-service');
  for (let partition = 0; partition < 3; partition += 1) {
    await sendUntilTaken(kafka, [{ topic, partition, key: 'k', value: 'v', headers: {} }]);
  }
  for (const node of cluster.nodes) {
    await node.kill();
    await node.wipe();
    await node.start();
    await cluster.untilInSync();
  }
  const kept = connectKafka(givenKafka({ brokers: cluster.brokers }), 'afterwards');
  for (let partition = 0; partition < 3; partition += 1)
    expect((await kept.offsetsOf(topic, partition)).next).toBeGreaterThan(0);
});

test.each([
  ['it is killed', (child: ChildProcess) => child.kill('SIGKILL')],
  // As by a terminal: whatever the process started, in its group, gets the signal too.
  ['Ctrl-C is pressed', (child: ChildProcess) => process.kill(-child.pid!, 'SIGINT')],
])('npm run kafka: tells its brokers, and none of them outlives it, when %s', async (_when, end) => {
  const program = path.join(import.meta.dirname, 'main.ts');
  const child = spawn(process.execPath, [program, '--brokers', '1'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  await until('it tells its brokers', () => /^KAFKA_BROKERS=127\.0\.0\.1:\d+$/m.test(output), 90_000);
  const pids = [...output.matchAll(/process (\d+)/g)].map(([, pid]) => Number(pid));
  expect(pids).toHaveLength(1);
  expect(pids.every(runs)).toBe(true);
  const ended = once(child, 'exit', { signal: AbortSignal.timeout(60_000) });
  end(child);
  await ended;
  await until('its brokers have ended', () => !pids.some(runs));
});
