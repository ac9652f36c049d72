/** @file Words and numbers as people read them, and text that is safe in HTML and lines up in a terminal. */

export function escapeHtml(text: string): string {
  return text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;").replace(/"/g, "&quot;");
}

/** 1949696 -> "1,949,696". */
export function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

/** 1949696 -> "1.95 M". */
export function short(count: number): string {
  const units = ["", " K", " M", " B"];
  let value = count;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 ? value : value.toPrecision(3)}${units[unit]}`;
}

/** A loss or a rate with as many digits as tell something. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  return size === 0 || (size >= 0.001 && size < 1e5) ? String(Number(value.toPrecision(4))) : value.toExponential(2);
}

/** Seconds as "0.8 s", "42 s", "3:07" or "1:02:33". */
export function duration(seconds: number): string {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 60) return `${Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97f\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;

const graphemes = new Intl.Segmenter("und", { granularity: "grapheme" });

/** The characters of a text as people count them: a family of emoji is one. */
function charactersOf(text: string): readonly string[] {
  return Array.from(graphemes.segment(text), ({ segment }) => segment);
}

/** Columns that the text takes in a terminal: Chinese characters and emoji take two. */
export function columnsOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  return charactersOf(text).reduce((sum, character) => sum + widthOf(character), 0);
}

function widthOf(character: string): number {
  // Emoji presentation is asked for, or built in; whatever is joined to a wide character stands in its columns.
  if (character.includes("\ufe0f") || WIDE.test(character)) return 2;
  return Array.from(character).filter((one) => !/[\p{Mark}\p{Control}\u200b-\u200d]/u.test(one)).length;
}

export function padded(text: string, columns: number, side: "start" | "end" = "end"): string {
  const fill = " ".repeat(Math.max(0, columns - columnsOf(text)));
  return side === "end" ? text + fill : fill + text;
}

/** Text in at most so many columns of a terminal, cut between characters. */
export function fitted(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text;
  const kept: string[] = [];
  let left = columns - 1;
  for (const character of charactersOf(text)) {
    left -= widthOf(character);
    if (left < 0) break;
    kept.push(character);
  }
  return elided(kept);
}

const elided = (letters: readonly string[]): string => `${letters.join("").trimEnd()}…`;
