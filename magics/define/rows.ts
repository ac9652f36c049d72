/** @file The rows that magics take, and how they are read: `@file` or a variable on the line, data or `@file` below it. */
import type { DatasetRules } from "../../src/index.ts";
import type { Code } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Call } from "../magic.ts";
import type { OptionSpec } from "../option.ts";
import { RUNTIME, rowsValue, secondArgument } from "../values.ts";
import { bodyOf, dataOf, fileOf, shownData } from "./body.ts";
import { type Properties, propertiesOf } from "./common.ts";

/** Every rule of the library's data sets, and no other: a missing one does not compile. */
export const ROW_OPTIONS: Readonly<Record<keyof DatasetRules, OptionSpec>> = {
  columns: {
    kind: "columns",
    help: "Which column is what: prompt=query,response=answer. No other column is read then.",
  },
  whole: {
    kind: "flag",
    help: "Make one row of a conversation, not one for each answer; with tools it always is one. ChatGLM3 and GLM-4.",
  },
};

/** How the rows are read: --columns and --whole. */
export const rowRules = (call: Call): Properties => propertiesOf(call, Object.keys(ROW_OPTIONS));

/** Whether a variable on the line holds the rows. */
export function isRowsVariable(call: Call, place: number): boolean {
  const word = call.arguments.positional[place];
  return word !== undefined && !word.text.startsWith("@");
}

/**
 * Rows: `@file` or a variable on the magic's line, `@file` or data below it.
 * @param place of the word among those on the line
 * @param purpose for messages: "to train on"
 */
export function rowsOf(call: Call, place: number, purpose: string): Code {
  const word = call.arguments.positional[place];
  const body = bodyOf(call);
  if (word && body !== "") {
    const message = `${call.title} has rows below it, so "${word.text}" is one source too many.`;
    throw new MagicError(message, word.from, word.to - word.from);
  }
  const rules = rowRules(call);
  if (isRowsVariable(call, place)) mustHaveNoRules(call);
  if (word) return rowsValue(call.title, word, rules);
  if (body === "") {
    const after = place === 0 ? "" : " after the name";
    const where = call.body ? "JSON or JSON lines below it, or @file" : `@file or a variable${after}`;
    throw new MagicError(`${call.title} needs rows ${purpose}: ${where}.`, call.from, call.to - call.from);
  }
  return dataOf(call, { read: "loadDataset", parse: "parseRows" }, rules);
}

/** The rows as shown code has them, in a variable `rows`; nothing where they are in one of the notebook's. */
export function shownRows(call: Call, place: number, rows: Code): Code {
  if (isRowsVariable(call, place)) return [];
  const isFile = call.arguments.positional[place] !== undefined || fileOf(bodyOf(call)) !== undefined;
  const read = isFile
    ? rows
    : [`${RUNTIME}.dataset(`, ...shownData(call, rows), ...secondArgument(rowRules(call)), ")"];
  return ["const rows = ", ...read, ";\n"];
}

/** A variable holds rows that are read. */
function mustHaveNoRules(call: Call): void {
  for (const name of Object.keys(ROW_OPTIONS)) {
    const given = call.arguments.options.get(name);
    if (!given) continue;
    const message = `--${name} is for a file or for data below; the rows of a variable are read as dataset(rows, { ${name}: ... }) says.`;
    throw new MagicError(message, given.name.from, given.name.to - given.name.from);
  }
}
