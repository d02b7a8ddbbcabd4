/** The first of KAFKA_BROKERS is of no use: whoever knows another one gets along. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { createInterface } from 'node:readline';
import { expect, onTestFinished, test } from 'vitest';
import { PARTITIONS, TOY } from '../test/toy.ts';
import { connectKafka, givenKafka, PARTITION, sendUntilTaken } from './given.ts';

/** It lets connect and says nothing. */
async function silentBroker(): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return addressOf(server.address() as { port: number });
}

const LISTENER = `
  const server = require('node:net').createServer();
  server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => console.log(server.address().port));`;
/** Enough to fill the kernel's queue for a backlog of 1. */
const QUEUED = 4;
const REFUSED_MS = 500;

/** Nobody is at home: what is sent to connect is dropped, as on the way to a machine that is gone. */
async function brokerThatDrops(): Promise<string> {
  const child = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const port = Number(line);
  child.kill('SIGSTOP');
  const sockets = Array.from({ length: QUEUED }, () => connect(port, '127.0.0.1').on('error', () => {}));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
  });
  const late = AbortSignal.timeout(REFUSED_MS);
  const outcomes = await Promise.all(
    sockets.map((socket) =>
      once(socket, 'connect', { signal: late }).then(
        () => 'connected',
        () => 'dropped',
      ),
    ),
  );
  expect(outcomes).toContain('dropped');
  return addressOf({ port });
}

function addressOf({ port }: { port: number }): string {
  return `127.0.0.1:${port}`;
}

test.each([
  ['lets connect and says nothing', silentBroker],
  ['drops what is sent to connect', brokerThatDrops],
])(
  'where the first of the brokers %s, topics are made, written and read by the next one',
  async (_what, first) => {
    const options = givenKafka();
    const kafka = connectKafka({ ...options, brokers: [await first(), ...options.brokers] });
    await kafka.createTopic(TOY, PARTITIONS);
    const topic = kafka.topicOf(TOY);
    const headers = { position: '1' };
    await sendUntilTaken(kafka, [{ topic, partition: PARTITION, key: 'k', value: 'v', headers }]);
    const { first: begin, next } = await kafka.offsetsOf(topic, PARTITION);
    expect(next).toBeGreaterThan(begin);
    expect(await kafka.recordsAt(topic, PARTITION, begin)).toMatchObject([{ offset: begin, position: 1 }]);
  },
);
