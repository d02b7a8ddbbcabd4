const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
/** With so few digits every decimal has a double of its own. */
const DIGITS_SAFE = 15;

/**
 * The first number of which JSON.parse would make another one than the text says. Services write every digit of a sum; above
 * 2^46 = 70,368,744,177,664 units two neighbouring doubles lie further apart than a hundredth.
 */
export function findInexact(json: string): string | undefined {
  for (const [token] of json.matchAll(STRING_OR_NUMBER)) {
    if (token.length <= DIGITS_SAFE || token.startsWith('"')) continue;
    if (plain(String(Number(token))) !== plain(token)) return token;
  }
  return undefined;
}

/** `12.50` → `12.5`, `12.00` → `12`. */
function plain(number: string): string {
  return number.includes('.') ? number.replace(/\.?0+$/, '') : number;
}
