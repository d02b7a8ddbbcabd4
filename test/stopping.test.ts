/** What connections see of a stop: what was accepted is answered to the last byte, and nobody keeps the service waiting. */
import { once } from 'node:events';
import { get, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createDatabase } from './database.ts';
import { startInstallation } from './installation.ts';
import { until } from './until.ts';

const LETTERS = 600;

test('a connection that has said nothing does not hold up the stop', async () => {
  const { urls, stop } = await startInstallation(await createDatabase());
  onTestFinished(stop);
  const { port, hostname } = new URL(urls['user-service']);
  const silent = connect(Number(port), hostname);
  await once(silent, 'connect');
  const closed = once(silent, 'close');
  silent.on('error', () => {});
  await stop();
  await closed;
});

test('a reply that is still on its way arrives as a whole', async () => {
  const { api, urls, stop } = await startInstallation(await createDatabase());
  onTestFinished(stop);
  const user_id = await api.userWith(1);
  // More than the sockets on the way hold.
  const text = { user_id, email: 'anna@example.org', subject: 'Hello', body: 'x'.repeat(9000) };
  await Promise.all(
    Array.from({ length: LETTERS }, () => api.post('notification-service', '/notifications', text)),
  );
  const url = `${urls['notification-service']}/notifications?user_id=${user_id}&limit=${LETTERS}`;
  const [response] = (await once(get(url), 'response')) as [IncomingMessage];
  response.pause();
  const stopped = stop();
  const isRefused = () =>
    fetch(`${urls['notification-service']}/health/live`).then(
      () => false,
      () => true,
    );
  await until('no connection is taken any more', isRefused);
  const chunks: Buffer[] = await response.toArray();
  const length = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  expect(length).toBe(Number(response.headers['content-length']));
  expect(length).toBeGreaterThan(LETTERS * 9000);
  await stopped;
});
