/**
 * @file Accuracy of a classification that is answered in words: the label is looked for in the answer's first line, so that "正面。" and "情感：正面" both
 * count as 正面.
 */

/** The different labels that the rows' references are. */
export const labelsOf = (references: readonly string[]): string[] =>
  [...new Set(references.map((reference) => reference.trim()))].filter((label) => label !== "");

/**
 * The label that an answer gives: of those in its first line that has any text, the one that stands first; of several that begin there, the
 * longest ("不相关" is not "相关"). Upper and lower case are one.
 */
export function labelOf(answer: string, labels: readonly string[]): string | undefined {
  const line = folded(answer.trimStart().split(/\r?\n/, 1)[0] ?? "");
  let best: { readonly label: string; readonly at: number } | undefined;
  for (const label of labels) {
    const at = line.indexOf(folded(label));
    if (at < 0) continue;
    const isBetter = !best || at < best.at || (at === best.at && label.length > best.label.length);
    if (isBetter) best = { label, at };
  }
  return best?.label;
}

const folded = (text: string): string => text.normalize("NFKC").toLowerCase();
