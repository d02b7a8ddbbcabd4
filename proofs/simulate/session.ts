/**
 * The one session of the PostgreSQL inside this process, as connections on different schemas see it: each as a session of
 * its own. What a group of statements sends is encoded, and what it is answered decoded, by the driver's protocol code;
 * only that no bytes travel, and that each statement is held until it is decided how far the group comes.
 */
import { EventEmitter } from 'node:events';
import type { Group } from '@stream-processing/runtime/sql-group.ts';
import { parse, serialize } from 'pg-protocol';
import { BIND, DESCRIBE, EXECUTE, isA, messagesIn, PARSE, renamed, stringsIn } from './messages.ts';
import type { InProcessPostgres } from './postgres.ts';

/** A statement of a group. */
export interface Sent {
  /** As the group calls it. */
  name: string;
  /** As it is prepared in the session. */
  key: string;
  messages: Buffer[];
}

/** A statement that was prepared once, and where it looks for its tables: `order_service s12` not where its connection does. */
interface Text {
  text: string;
  path: string;
}

type Message = { name: string } & { fields: never; text: string };

export class Session {
  readonly #postgres: InProcessPostgres;
  readonly #texts = new Map<string, Text>();
  /** Keys of what is prepared now, and of what is whenever it is put back. */
  #prepared = new Set<string>();
  #kept = new Set<string>();
  /** Where statements look for their tables; undefined: to be set. */
  #path: string | undefined;
  readonly #answers = new EventEmitter();
  /** Who hears the answers. */
  #hear: (message: Message) => void = () => {};

  constructor(postgres: InProcessPostgres) {
    this.#postgres = postgres;
    void parse(this.#answers as never, (message) => this.#hear(message as never));
  }

  /** As on the first day. */
  reset(): void {
    this.#postgres.reset();
    this.#prepared = new Set(this.#kept);
    this.#path = undefined;
  }

  /** From now on every statement known so far is prepared and planned on the first day. */
  keepPrepared(): void {
    this.reset();
    for (const [key, { text, path }] of this.#texts) {
      this.run(`set search_path to ${path}`);
      // Planned when values are bound, whichever.
      const values = Array.from({ length: countParameters(text) }, () => null);
      const error = this.#exchange([
        serialize.parse({ name: key, text }),
        serialize.bind({ statement: key, values }),
        serialize.sync(),
      ]);
      if (error) throw error;
    }
    this.#kept = new Set(this.#texts.keys());
    this.#postgres.keep();
    this.reset();
  }

  /** What a group would send by a connection on `schema`. */
  take(schema: string, group: Group): Sent[] {
    const sent: Sent[] = [];
    let name = '';
    let messages: Buffer[] = [];
    const keyOf = (statement: string) => `${schema}: ${statement}`;
    const write = (bytes: Buffer) => {
      for (const message of messagesIn(bytes)) {
        if (isA(message, PARSE)) {
          const [statement, text] = stringsIn(message, 2);
          const [, other] = /^(\S+) s\d+$/.exec(statement!) ?? [];
          this.#texts.set(keyOf(statement!), { text: text!, path: other ?? schema });
        } else if (isA(message, BIND)) {
          [, name = ''] = stringsIn(message, 2);
          messages.push(renamed(message, name, keyOf(name)));
        } else if (isA(message, DESCRIBE)) {
          messages.push(message);
        } else if (isA(message, EXECUTE)) {
          sent.push({ name, key: keyOf(name), messages: [...messages, message] });
          messages = [];
        }
      }
    };
    group.submit({ stream: { writable: true, write } } as never);
    return sent;
  }

  /** Runs them; the group, if any, hears the answers before this returns. */
  send(schema: string, sent: Sent[], group?: Group): void {
    const prelude = this.#path === schema ? undefined : `set search_path to ${schema}`;
    this.#path = schema;
    const fresh: string[] = [];
    const messages = sent.flatMap(({ key, messages }) => {
      if (this.#prepared.has(key) || fresh.includes(key)) return messages;
      fresh.push(key);
      const { text } = this.#texts.get(key)!;
      // A parse whose statement failed later may stand already; to close what is not there is no error.
      return [serialize.close({ type: 'S', name: key }), serialize.parse({ name: key, text }), ...messages];
    });
    const failed = this.#exchange([...messages, serialize.sync()], group, prelude);
    if (!failed) for (const key of fresh) this.#prepared.add(key);
  }

  /** A statement without values; throws what PostgreSQL has against it. */
  run(text: string): void {
    const error = this.#exchange([serialize.query(text)]);
    if (error) throw error;
  }

  /** Answers the error among the answers, if there is one. `prelude`: a statement before them, whose answer is nobody's. */
  #exchange(messages: Buffer[], group?: Group, prelude?: string): unknown {
    let failed: unknown;
    let inPrelude = prelude !== undefined;
    this.#hear = (message) => {
      if (inPrelude) {
        inPrelude = message.name !== 'readyForQuery';
        return;
      }
      switch (message.name) {
        case 'rowDescription':
          return group?.handleRowDescription(message);
        case 'dataRow':
          return group?.handleDataRow(message);
        case 'commandComplete':
          return group?.handleCommandComplete(message);
        case 'error':
          failed = message;
          return group?.handleError(message);
      }
    };
    const all = prelude === undefined ? messages : [serialize.query(prelude), ...messages];
    this.#postgres.run(Buffer.concat(all), (bytes) => void this.#answers.emit('data', bytes));
    return failed;
  }
}

function countParameters(text: string): number {
  return Math.max(0, ...[...text.matchAll(/\$(\d+)/g)].map(([, number]) => Number(number)));
}
