/** @file Names that almost match: what a misspelt option, method or magic was probably meant to be. */

/** Longest name in characters that is compared with others: what is longer is no name, and comparing takes its square. */
const LONGEST = 200;

/** Longest name in which another letter makes another word ("gpu" is no misspelt "cpu"). */
const SHORT = 3;

/** Names that a message lists. */
const LISTED = 100;

/**
 * The known name nearest to the given one, or undefined when none is near enough to be a likely slip of the pen:
 * at most a third of the longer name may differ (insertions, deletions, replacements, swapped neighbours), or the
 * given name begins the known one, or ends it.
 */
export function nearest(given: string, known: Iterable<string>): string | undefined {
  if (given.length > LONGEST) return undefined;
  const wanted = given.toLowerCase();
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const name of known) {
    const candidate = name.toLowerCase();
    if (candidate.length > LONGEST) continue;
    const longer = Math.max(wanted.length, candidate.length);
    const isPart =
      (wanted.length > 1 && candidate.startsWith(wanted)) || (wanted.length >= SHORT && candidate.endsWith(wanted));
    const distance = isPart ? 0.5 : editDistance(wanted, candidate, longer > SHORT ? 1 : 2);
    const allowed = Math.max(1, Math.floor(longer / 3));
    if (distance <= allowed && distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best;
}

/** " Did you mean X?" when something known is near, otherwise the list of what is known. */
export function suggestion(given: string, known: Iterable<string>, prefix = ""): string {
  const names = [...known];
  const near = nearest(given, names);
  if (near !== undefined) return ` Did you mean ${prefix}${near}?`;
  if (names.length === 0) return "";
  const more = names.length > LISTED ? ` and ${names.length - LISTED} more` : "";
  const listed = names.slice(0, LISTED).map((name) => prefix + name);
  return ` Known: ${listed.join(", ")}${more}.`;
}

/**
 * Damerau-Levenshtein distance (adjacent swaps count once), row by row.
 * @param replacement what another letter counts
 */
function editDistance(a: string, b: string, replacement: number): number {
  let before: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(
        at(previous, column) + 1,
        at(current, column - 1) + 1,
        at(previous, column - 1) + (same ? 0 : replacement),
      );
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, at(before, column - 2) + 1);
      current.push(cost);
    }
    [before, previous] = [previous, current];
  }
  return at(previous, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
