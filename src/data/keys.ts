/** @file The keys of a row or of a turn: every one is used, is a note that says nothing to learn, or is refused. */
import { shownJson } from "../describe.ts";
import { nearest } from "../suggestion.ts";

/** Tells what is wrong with a row. */
export type Fault = (text: string) => void;

export type Fields = Readonly<Record<string, unknown>>;

/** Keys that tell rows apart or say where they come from: nothing of them is learnt, whatever they hold. docs/data.md lists them. */
const NOTES: ReadonlySet<string> = new Set([
  ...["id", "idx", "index", "uid", "uuid", "source", "dataset", "category", "lang", "language", "split", "url"],
]);

/** Whether every key of a row or a turn is one of these, a note, or holds nothing; tells of the others. */
export function usesEveryKey(record: Fields, keys: readonly string[], fault: Fault, where = ""): boolean {
  const strange = Object.entries(record).filter(
    ([key, value]) => !keys.includes(key) && !NOTES.has(key) && !isNothing(value),
  );
  if (strange.length === 0) return true;
  const names = strange.map(([key]) => key);
  const [said, them] = names.length === 1 ? ["it says", "it"] : ["they say", "them"];
  const meant = names.length === 1 ? nearest(names[0] as string, keys) : undefined;
  const choose = where === "" ? ", or choose the columns that are read (--columns prompt=query,response=answer)" : "";
  fault(
    `${where}${listed(names)}: expected no keys but ${listed(keys)}, got ${shownJson(strange[0]?.[1])}. ` +
      (meant === undefined
        ? `What ${said} would not be learnt: remove ${them}, rename what is meant${choose}.`
        : `Did you mean ${meant}?`),
  );
  return false;
}

/** What data sets put where there is nothing to say. */
function isNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  return typeof value === "object" && Object.keys(value).length === 0;
}

export const listed = (names: readonly string[]): string =>
  names.slice(0, 12).join(", ") + (names.length > 12 ? ", ..." : "");
