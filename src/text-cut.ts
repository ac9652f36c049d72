/** @file The beginning of a text that is too long to be shown: cut between characters as people count them, in one way. */

/** Made when it is needed first: most processes show no long text. */
let segmenter: Intl.Segmenter | undefined;

/** No character that people count as one has more units than this in text that means anything. */
const UNITS_PER_CHARACTER = 32;

/**
 * A text in at most so many characters, the three dots of a cut included. A family of emoji or a letter with its marks is one
 * character and is never halved.
 */
export function shortened(text: string, most = 60): string {
  if (text.length <= most) return text;
  segmenter ??= new Intl.Segmenter("und", { granularity: "grapheme" });
  // Only the beginning is looked at: the text may have megabytes.
  const beginning = text.slice(0, (most + 1) * UNITS_PER_CHARACTER);
  const ends: number[] = [];
  for (const { index, segment } of segmenter.segment(beginning)) {
    ends.push(index + segment.length);
    if (ends.length > most) break;
  }
  const isWhole = ends.length <= most && beginning.length === text.length;
  return isWhole ? text : `${beginning.slice(0, ends[Math.min(most - 4, ends.length - 2)] ?? 0)}...`;
}

/** A text in quotation marks, shortened. */
export const quoted = (text: string, most = 60): string => JSON.stringify(shortened(text, most));
