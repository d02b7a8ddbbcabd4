import { connect, createServer, type Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A letter, and the length in four bytes. */
const ANSWER_HEADER = 5;

/**
 * A proxy in front of PostgreSQL that breaks the connection at its first `commit`: before the server gets it
 * (`request`), or after, when its answer is on the way back: `answer` lets answers to statements before it get through, `answers`
 * none of those that come with it.
 */
export async function cutAtCommit(url: string, cut: 'request' | 'answer' | 'answers') {
  const target = new URL(url);
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server = createServer((client) => {
    const upstream = connect(Number(target.port), target.hostname);
    let cutAnswer = false;
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on('error', end);
      socket.on('close', end);
    }
    client.on('data', (data) => {
      if (cuts === 0 && data.includes('commit\0')) {
        cuts += 1;
        if (cut === 'request') return end();
        cutAnswer = true;
      }
      upstream.write(data);
    });
    upstream.on('data', (data) => {
      const answer = cutAnswer ? data.indexOf('COMMIT\0') : -1;
      if (answer === -1) return client.write(data);
      client.end(cut === 'answer' ? data.subarray(0, answer - ANSWER_HEADER) : '');
      upstream.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const proxied = new URL(url);
  // By TCP, past the server's own socket.
  proxied.searchParams.delete('host');
  proxied.port = String((server.address() as { port: number }).port);
  return { url: proxied.href, cuts: () => cuts };
}
