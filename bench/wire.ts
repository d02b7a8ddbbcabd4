/** HTTP/1.1 by hand, as far as load needs it: a library's client would be busier than the services. */

/** What is sent for one order. */
export function requestText({ host, pathname }: URL, user_id: number, price: number): string {
  const body = `{"user_id":${user_id},"price":${price}}`;
  return (
    `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
  );
}

export interface Reply {
  status: number;
  /** The server closes the connection after this one. */
  last: boolean;
}

/** Finds the replies in what a connection brings, however it is cut into chunks. */
export class ReplyParser {
  /** Of a head that is not complete: what came so far. */
  #head = '';
  /** The reply whose body is being read, and the bytes of it still to come. */
  #reply: Reply | undefined;
  #missing = 0;

  /** Throws on anything but HTTP/1.1 with a Content-Length. */
  push(chunk: Buffer, each: (reply: Reply) => void): void {
    for (let at = 0; at < chunk.length; ) {
      if (!this.#reply) at = this.#readHead(chunk, at);
      if (!this.#reply) return;
      const taken = Math.min(this.#missing, chunk.length - at);
      at += taken;
      this.#missing -= taken;
      if (this.#missing > 0) return;
      const reply = this.#reply;
      this.#reply = undefined;
      each(reply);
    }
  }

  /** Answers where the body begins. */
  #readHead(chunk: Buffer, from: number): number {
    const before = this.#head.length;
    const text = this.#head + chunk.toString('latin1', from);
    const end = text.indexOf('\r\n\r\n');
    this.#head = end === -1 ? text : '';
    if (end === -1) return chunk.length;
    const head = text.slice(0, end + 2);
    const status = /^HTTP\/1\.1 (\d{3}) /.exec(head);
    const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(head);
    if (!status || !length) throw new Error(`not a reply with a Content-Length: ${head}`);
    this.#reply = { status: Number(status[1]), last: /\r\nconnection: *close\r\n/i.test(head) };
    this.#missing = Number(length[1]);
    return from + end + 4 - before;
  }
}
