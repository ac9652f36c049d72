/** @file Which column of a data set is what, where its names are others. */
import { shownJson } from "../describe.ts";
import { invalid } from "../options.ts";
import { nearest, suggestion } from "../suggestion.ts";
import { type Fault, type Fields, listed } from "./keys.ts";

/** All that a column can be. */
export const columnTargets = [
  "prompt",
  "response",
  "instruction",
  "input",
  "output",
  "content",
  "summary",
  "context",
  "target",
  "messages",
  "conversations",
  "system",
  "history",
  "tools",
] as const;

export type ColumnTarget = (typeof columnTargets)[number];

/** By what it is, the name that the data have for it: { prompt: "query", response: "answer" }. */
export type ColumnMap = { readonly [K in ColumnTarget]?: string };

/** Those that not every row has. */
const OPTIONAL: ReadonlySet<string> = new Set(["input", "system", "history", "tools"] satisfies ColumnTarget[]);

/** Those whose values are lists, which tables without lists hold as JSON. */
const STRUCTURED: ReadonlySet<string> = new Set([
  "messages",
  "conversations",
  "history",
  "tools",
] satisfies ColumnTarget[]);

/** What is wrong with a choice of columns. */
function columnFaults(columns: unknown): string[] {
  if (columns === undefined) return [];
  const form = 'expected which column is what, such as { prompt: "query", response: "answer" }';
  if (typeof columns !== "object" || columns === null || Array.isArray(columns) || Object.keys(columns).length === 0) {
    return [`columns: ${form}, got ${shownJson(columns)}.`];
  }
  return Object.entries(columns).flatMap(([target, source]) => {
    if (!isTarget(target)) return [`columns: there is no ${target} in a row.${suggestion(target, columnTargets)}`];
    const isName = typeof source === "string" && source !== "";
    return isName ? [] : [`columns.${target}: expected the name of a column, got ${shownJson(source)}.`];
  });
}

export const isTarget = (name: string): name is ColumnTarget => (columnTargets as readonly string[]).includes(name);

/** @throws GlmError "option-invalid" */
export function checkColumns(columns: unknown): void {
  const faults = columnFaults(columns);
  if (faults.length > 0) throw invalid("columns", faults);
}

/** The chosen columns of a row under the names that rows have; undefined, and told, when one is missing. */
export function chosenColumns(record: Fields, columns: ColumnMap, fault: Fault): Fields | undefined {
  const missing = Object.entries(columns).filter(([target, name]) => !(name in record) && !OPTIONAL.has(target));
  for (const [, name] of missing) {
    const names = Object.keys(record);
    const near = nearest(name, names);
    fault(
      `expected the column ${name}, got the columns ${listed(names)}.${near === undefined ? "" : ` Did you mean ${near}?`}`,
    );
  }
  if (missing.length > 0) return undefined;
  return Object.fromEntries(Object.entries(columns).map(([target, name]) => [target, record[name]]));
}

/** A row of a table: where lists are meant, they are read from their JSON. What is none is left to whoever checks the row. */
export function withLists(record: Fields): Fields {
  const isList = ([key, value]: [string, unknown]): boolean =>
    STRUCTURED.has(key) && typeof value === "string" && /^\s*\[/.test(value);
  if (!Object.entries(record).some(isList)) return record;
  return Object.fromEntries(
    Object.entries(record).map(([key, value]) => [key, isList([key, value]) ? parsed(String(value)) : value]),
  );
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
