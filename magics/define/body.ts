/** @file What stands below a cell magic: a text as it is, or data, or the name of a file that holds them. */
import type { Code } from "../code.ts";
import type { Call } from "../magic.ts";
import { type RowRuleCode, RUNTIME, secondArgument } from "../values.ts";

/** Without the white space around it; "" for line magics. */
export function bodyOf({ source, body }: Call): string {
  return body ? source.slice(body.from, body.to).trim() : "";
}

/** The file that the body names instead of data: `@facts.jsonl`. */
export function fileOf(body: string): string | undefined {
  return /^@(\S[^\n]*)$/.exec(body)?.[1]?.trim();
}

/** The data below, or in the file that is named there, read by functions of the magics' runtime. */
export function dataOf(
  call: Call,
  { read, parse }: { readonly read: string; readonly parse: string },
  rules: RowRuleCode = [],
): Code {
  const from = call.body?.from ?? call.to;
  const file = fileOf(bodyOf(call));
  if (file !== undefined)
    return [`await ${RUNTIME}.${read}(`, { text: JSON.stringify(file), at: from }, ...secondArgument(rules), ")"];
  // With the line breaks above it, faults name the cell's own lines.
  const above = call.source.slice(0, from).replace(/[^\n]/g, "");
  const data = { text: JSON.stringify(above + call.source.slice(from)), at: from };
  const subject = ["subject", [JSON.stringify("The cell's data")]] as const;
  return [`${RUNTIME}.${parse}(`, data, ...secondArgument([subject, ...rules]), ")"];
}

/**
 * The same in shown code: JSON is TypeScript, so what stands below can stand as it is. What runs must read it, to tell of
 * faults by their lines.
 */
export function shownData(call: Call, read: Code): Code {
  const body = bodyOf(call);
  if (body === "" || fileOf(body) !== undefined) return read;
  const at = call.body?.from ?? call.to;
  if (body.startsWith("[")) return [{ text: body, at }];
  const lines = body.split("\n").filter((line) => line.trim() !== "");
  const items = lines.map((line) => `  ${line.trim()}${line.trim().endsWith("}") ? "," : ""}`);
  return [{ text: `[\n${items.join("\n")}\n]`, at }];
}
