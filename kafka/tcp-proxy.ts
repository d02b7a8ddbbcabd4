import { connect, createServer, type Server, type Socket } from 'node:net';

/** Passes bytes on to a port of this machine, and can be cut, or fall silent. */
export class TcpProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isCut = false;
  #isSilent = false;

  private constructor(target: number) {
    this.#server = createServer((client) => {
      if (this.#isCut) return void client.destroy();
      const upstream = connect(target, '127.0.0.1');
      const end = () => {
        for (const socket of [client, upstream]) {
          socket.destroy();
          this.#sockets.delete(socket);
        }
      };
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.setNoDelay(true);
        socket.on('error', end);
        socket.on('close', end);
      }
      if (this.#isSilent) return;
      client.pipe(upstream);
      upstream.pipe(client);
    });
  }

  static async before(target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, '127.0.0.1', resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** What is connected stays so, and no byte arrives any more; nor does one of whoever connects. */
  fallSilent(): void {
    this.#isSilent = true;
    for (const socket of this.#sockets) socket.unpipe().pause();
  }

  /** For those who connect from now on. */
  mend(): void {
    this.#isCut = false;
    this.#isSilent = false;
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}
