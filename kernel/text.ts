/** @file Text that leaves the kernel is well formed: half a surrogate pair in a notebook, and Jupyter cannot save it. */

/** Half a pair in JSON text: JSON.stringify() escapes those that stand alone, and no others. */
const ESCAPE = /\\(u[dD][89a-fA-F][0-9a-fA-F]{2}|[\s\S])/g;
const REPLACEMENT = "\ufffd";

/** JSON.stringify() as it was when the kernel started: a cell that replaces it still gets its reply. */
export const toJson: (value: object) => string = JSON.stringify;

/** The text with U+FFFD for each half of a surrogate pair that stands alone. */
export function wellFormed(text: string): string {
  const { toWellFormed } = text as { toWellFormed?(): string };
  return toWellFormed ? toWellFormed.call(text) : Buffer.from(text).toString();
}

/** The same for the strings in JSON text, as JSON.stringify() writes it. */
export function wellFormedJson(json: string): string {
  if (!json.includes("\\ud")) return json;
  return json.replace(ESCAPE, (written) => (written.length > 2 ? REPLACEMENT : written));
}

/** Does the text end with the first half of a pair, whose second half may follow? */
export function endsWithinPair(text: string): boolean {
  const last = text.charCodeAt(text.length - 1);
  return last >= 0xd800 && last < 0xdc00;
}
