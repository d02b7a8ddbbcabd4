/**
 * Money inside the system is a `bigint` of minor units (kopecks, cents). On the wire it is a JSON number of
 * currency units with at most two decimals. Nothing is ever rounded: what cannot be said exactly is refused
 * on the way in and written digit by digit on the way out.
 */

/** Largest amount of one request: 90,000,000,000,000.00; in minor units it is still below 2^53. */
export const AMOUNT_MAX = 9_000_000_000_000_000n;

/** Above 2^46 units two neighbouring doubles lie further apart than one minor unit. */
const EXACT_AS_DOUBLE = 2n ** 46n * 100n;

// Node has it, TypeScript's library does not know it yet; JSON.stringify writes the text as it is.
const exactJson = JSON as unknown as { rawJSON(text: string): number };

const DECIMAL = /^(\d+)(?:\.(\d{1,2}))?$/;

/** Minor units of a wire amount; undefined unless 0 < amount ≤ AMOUNT_MAX with at most two decimals. */
export function toMinor(amount: number): bigint | undefined {
  // The shortest text that reads back as the same double is what the caller wrote: 0.1 + 0.2 shows its 17 digits.
  const digits = DECIMAL.exec(String(amount));
  if (!digits) return undefined;
  const minor = BigInt(digits[1]!) * 100n + BigInt((digits[2] ?? '').padEnd(2, '0'));
  return minor > 0n && minor <= AMOUNT_MAX ? minor : undefined;
}

/** A wire number of currency units; where a double would blur it, a raw JSON literal with every digit. */
export function fromMinor(minor: bigint): number {
  if (minor <= EXACT_AS_DOUBLE && minor >= -EXACT_AS_DOUBLE) return Number(minor) / 100;
  return exactJson.rawJSON(decimalText(minor));
}

/** `12345` → `123.45`, always with two decimals. */
export function decimalText(minor: bigint): string {
  const digits = (minor < 0n ? -minor : minor).toString().padStart(3, '0');
  return `${minor < 0n ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
}
