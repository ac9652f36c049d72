/** @file Values in messages: as JSON, long ones cut between characters. */

const LONGEST = 80;

/** A value as JSON, as far as it fits into a message. */
export function shortJson(value: unknown): string {
  const letters = Array.from(JSON.stringify(value) ?? String(value));
  return letters.length > LONGEST ? `${letters.slice(0, LONGEST - 3).join("")}...` : letters.join("");
}
