import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

export interface Connection {
  /** Requests that are not answered yet; several where a caller does not wait. */
  inFlight: number;
  /** The newest request, and what it is answered by. */
  newest: { request: IncomingMessage; response: ServerResponse };
}

/** What a server's connections brought and what of it is not answered yet. */
export class Connections {
  readonly #open = new Set<Socket>();
  readonly #known = new WeakMap<Socket, Connection>();
  #inFlight = 0;

  /** Requests of all connections that are not answered yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  get(socket: Socket): Connection | undefined {
    return this.#known.get(socket);
  }

  opened(socket: Socket): void {
    this.#open.add(socket);
    socket.once('close', () => this.#open.delete(socket));
  }

  /**
   * Closes those on which nothing is under way. Node's own look takes one that has said nothing yet for busy, and one whose reply is
   * not written out yet for idle. `isLate`: also those on which a request has not come to its end.
   */
  closeIdle(isLate: boolean): void {
    for (const socket of this.#open) if (this.#isIdle(socket, isLate)) socket.destroy();
  }

  #isIdle(socket: Socket, isLate: boolean): boolean {
    const connection = this.#known.get(socket);
    if (!connection) return isLate || socket.bytesRead === 0;
    const { request, response } = connection.newest;
    return request.complete ? connection.inFlight === 0 && response.writableFinished : isLate;
  }

  /** A request came, whatever becomes of it. */
  saw(request: IncomingMessage, response: ServerResponse): void {
    const { socket } = request;
    const known = this.#known.get(socket);
    if (known) {
      known.newest = { request, response };
      return;
    }
    const connection: Connection = { inFlight: 0, newest: { request, response } };
    this.#known.set(socket, connection);
    // Fastify ends no request that nobody is there to be answered.
    socket.once('close', () => this.#count(connection, -connection.inFlight));
  }

  /** It is under way; `ended` follows, or the connection closes. */
  began(socket: Socket): void {
    this.#count(this.#known.get(socket)!, 1);
  }

  ended(socket: Socket): void {
    const connection = this.#known.get(socket);
    if (connection && connection.inFlight > 0) this.#count(connection, -1);
  }

  #count(connection: Connection, change: number): void {
    connection.inFlight += change;
    this.#inFlight += change;
  }
}
