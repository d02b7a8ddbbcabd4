/**
 * Many questions, few queries: keys asked for while a query is under way wait for the next one, which then serves
 * them all. An answer is therefore never older than its question.
 */
export function coalesce<Key, Value>(ask: (keys: Key[]) => Promise<Value[]>): (key: Key) => Promise<Value> {
  interface Waiting {
    key: Key;
    resolve: (value: Value) => void;
    reject: (error: unknown) => void;
  }
  let waiting: Waiting[] = [];
  let asking = false;

  async function serve() {
    // One turn of the event loop, so that all questions of this turn go together.
    await new Promise(setImmediate);
    while (waiting.length > 0) {
      const served = waiting;
      waiting = [];
      try {
        const values = await ask(served.map((w) => w.key));
        served.forEach((w, i) => {
          w.resolve(values[i]!);
        });
      } catch (error) {
        for (const w of served) w.reject(error);
      }
    }
    asking = false;
  }

  return (key) =>
    new Promise((resolve, reject) => {
      waiting.push({ key, resolve, reject });
      if (asking) return;
      asking = true;
      void serve();
    });
}
