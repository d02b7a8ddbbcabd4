/** 75 to 125 bytes each, as measured with what is known of users. */
const MAX = 100_000;

/** Rows that never change once they are written: asked of the database once, then kept, the oldest given up first. */
export class KeptRows<Row extends { id: number }> {
  readonly #rows = new Map<number, Row>();
  readonly #max: number;

  constructor(max = MAX) {
    this.#max = max;
  }

  /** The rows with these ids, as far as they exist; `ask` brings those that are not kept. */
  async find(ids: Iterable<number>, ask: (missing: number[]) => Promise<Row[]>): Promise<Map<number, Row>> {
    const found = new Map<number, Row>();
    const missing = new Set<number>();
    for (const id of ids) {
      const row = this.#rows.get(id);
      if (row) found.set(id, row);
      else missing.add(id);
    }
    if (missing.size === 0) return found;
    for (const row of await ask([...missing])) {
      found.set(row.id, row);
      this.#keep(row);
    }
    return found;
  }

  #keep(row: Row): void {
    this.#rows.set(row.id, row);
    if (this.#rows.size > this.#max) this.#rows.delete(this.#rows.keys().next().value!);
  }
}
