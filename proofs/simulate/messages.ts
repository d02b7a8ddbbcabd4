/**
 * Messages that a client sends by PostgreSQL's protocol: a letter, the length of the rest in four bytes, and the rest, which
 * begins with texts that end in a zero byte.
 */
const HEADER = 5;

export const PARSE = 'P';
export const BIND = 'B';
export const DESCRIBE = 'D';
export const EXECUTE = 'E';

export function* messagesIn(bytes: Buffer): Iterable<Buffer> {
  for (let start = 0; start < bytes.length; ) {
    const end = start + 1 + bytes.readInt32BE(start + 1);
    yield bytes.subarray(start, end);
    start = end;
  }
}

export function isA(message: Buffer, letter: string): boolean {
  return message[0] === letter.charCodeAt(0);
}

/** The first texts of a message: of a parse the statement's name and text, of a bind the portal's and the statement's name. */
export function stringsIn(message: Buffer, count: number): string[] {
  const strings: string[] = [];
  for (let start = HEADER; strings.length < count; ) {
    const end = message.indexOf(0, start);
    strings.push(message.toString('utf8', start, end));
    start = end + 1;
  }
  return strings;
}

/** A bind to the unnamed portal, of another statement. */
export function renamed(bind: Buffer, from: string, to: string): Buffer {
  const rest = bind.subarray(HEADER + 1 + Buffer.byteLength(from));
  const result = Buffer.concat([bind.subarray(0, HEADER + 1), Buffer.from(to), rest]);
  result.writeInt32BE(result.length - 1, 1);
  return result;
}
