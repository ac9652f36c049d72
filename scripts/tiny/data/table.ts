/** @file Reads the `|`-separated tables in which the corpus keeps its facts. */

/** Rows of trimmed cells; blank lines are skipped. Throws when a row does not have `columns` cells. */
export function table(columns: number, text: string): string[][] {
  const rows: string[][] = [];
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const cells = line.split("|").map((cell) => cell.trim());
    if (cells.length !== columns || cells.some((cell) => cell === "")) {
      throw new Error(`A corpus table row needs ${columns} filled cells, got ${cells.length}: "${line.trim()}".`);
    }
    rows.push(cells);
  }
  return rows;
}

/** The words of a list separated by blanks or line ends. */
export function words(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}
