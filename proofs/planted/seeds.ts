/** Plays seeds from 1 up to the given one, or to the first that fails, and prints which that was and what was violated. */
import { createDatabase, play } from '../simulate/world.ts';

const last = Number(process.argv[2]);
const database = await createDatabase();
let verdict: { seed?: number; violation?: string } = {};
for (let seed = 1; seed <= last && !verdict.violation; seed += 1) {
  const [violation] = (await play(database, seed)).violations;
  if (violation) verdict = { seed, violation };
}
console.log(JSON.stringify(verdict));
