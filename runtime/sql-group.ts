/**
 * The statements that a transaction sends at once: one message, one Sync, so one packet there and one back, where a
 * Sync of its own for each would cost both sides a system call per statement. After a failed statement PostgreSQL skips
 * the rest of the group (protocol: "pipelining" in its manual), so a commit at the end of a group commits all of it or
 * nothing. pg sends it as a query class of our own (its "submittable" interface, which pg-cursor uses too).
 */
import type { Socket } from 'node:net';
import type pg from 'pg';
import { serialize } from 'pg-protocol';
import { normalize } from './sql-errors.ts';
import type { Rows, Statement } from './sql-query.ts';

export interface Answer {
  rows: Rows;
  /** `INSERT 0 3`, `COMMIT`, `ROLLBACK` … */
  command: string;
}

/** What a connection knows of its prepared statements, by name: how the columns of their rows are read. */
export type Prepared = Map<string, Column[]>;

interface Column {
  name: string;
  read: (text: string) => unknown;
}

interface Asked {
  statement: Statement;
  rows: Rows;
  resolve: (answer: Answer) => void;
  reject: (error: unknown) => void;
}

type TypeParser = (oid: number) => (text: string) => unknown;

export class Group implements pg.Submittable {
  readonly #prepared: Prepared;
  readonly #typeParser: TypeParser;
  readonly #asked: Asked[] = [];
  #answered = 0;

  constructor(prepared: Prepared, typeParser: TypeParser) {
    this.#prepared = prepared;
    this.#typeParser = typeParser;
  }

  /** Only before the group is submitted. */
  add(statement: Statement): Promise<Answer> {
    const answer = new Promise<Answer>((resolve, reject) => {
      this.#asked.push({ statement, rows: [], resolve, reject });
    });
    // A failed statement fails the commit as well, which somebody awaits.
    answer.catch(() => {});
    return answer;
  }

  submit(connection: pg.Connection): void {
    const messages: Buffer[] = [];
    const parsed = new Set<string>();
    for (const { statement } of this.#asked) {
      const { name, text, values, isPrompt } = statement;
      const known = this.#prepared.has(name) || parsed.has(name);
      if (!known) {
        // A parse whose statement failed later may stand already; to close what is not there is no error.
        messages.push(serialize.close({ type: 'S', name }), serialize.parse({ name, text, types: [] }));
        parsed.add(name);
      }
      messages.push(serialize.bind({ statement: name, values }));
      if (!this.#prepared.has(name)) messages.push(serialize.describe({ type: 'P' }));
      messages.push(serialize.execute());
      if (isPrompt) messages.push(serialize.flush());
    }
    messages.push(serialize.sync());
    // Of a connection that is lost pg tells by itself.
    const { stream } = connection as unknown as { stream: Socket };
    if (stream.writable) stream.write(Buffer.concat(messages));
  }

  handleRowDescription({ fields }: { fields: { name: string; dataTypeID: number }[] }): void {
    const columns = fields.map((field) => ({ name: field.name, read: this.#typeParser(field.dataTypeID) }));
    this.#prepared.set(this.#current.statement.name, columns);
  }

  handleDataRow({ fields }: { fields: (string | null)[] }): void {
    const { statement, rows } = this.#current;
    const columns = this.#prepared.get(statement.name)!;
    const row: Record<string, unknown> = {};
    for (let i = 0; i < columns.length; i += 1) {
      const { name, read } = columns[i]!;
      const text = fields[i]!;
      row[name] = text === null ? null : read(text);
    }
    rows.push(row);
  }

  handleCommandComplete({ text }: { text: string }): void {
    const { statement, rows, resolve } = this.#current;
    // Without a description it answers no rows.
    if (!this.#prepared.has(statement.name)) this.#prepared.set(statement.name, []);
    this.#answered += 1;
    resolve({ rows, command: text });
  }

  /** Instead of a completion, to a statement without text. */
  handleEmptyQuery(): void {
    this.handleCommandComplete({ text: '' });
  }

  /** PostgreSQL refused a statement and skips those behind it; or the connection is gone. */
  handleError(error: unknown): void {
    for (const { reject } of this.#asked.slice(this.#answered)) reject(normalize(error));
    this.#answered = this.#asked.length;
  }

  handleReadyForQuery(): void {}

  get #current(): Asked {
    return this.#asked[this.#answered]!;
  }
}
