/** @file Reads JSON and JSON lines from text: the values, and the lines on which they stand. Knows nothing of what they mean. */
import { GlmError } from "./errors.ts";
import { LARGEST_TEXT, readText } from "./regular-file.ts";

export interface PlacedValue {
  readonly value: unknown;
  /** The line on which it begins, from 1. */
  readonly line: number;
}

/** A line that is no JSON. */
export interface LineFault {
  readonly line: number;
  readonly text: string;
  readonly why: string;
}

export type JsonReading =
  /** One value, or the items of an array. */
  | { readonly form: "json"; readonly values: readonly PlacedValue[] }
  | { readonly form: "lines"; readonly values: readonly PlacedValue[]; readonly faults: readonly LineFault[] }
  /** What begins as an array and is none. */
  | { readonly form: "broken array"; readonly why: string };

/**
 * The text of a file that holds JSON or JSON lines.
 * @param what it is to be, for the message: "a file of training rows"
 * @throws GlmError "data-invalid" when it cannot be read
 */
export async function fileText(path: string, what: string): Promise<string> {
  return readText(path, LARGEST_TEXT).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    // Without the cause: it says no more than this, and its trace leads into this library.
    throw new GlmError("data-invalid", `${path}: expected ${what}, but it cannot be read (${why}). Check the path.`);
  });
}

/** Reads a JSON array, one JSON value, or JSON lines with blank lines between them. */
export function readJson(text: string): JsonReading {
  const body = text.replace(/^\uFEFF/, "");
  const whole = parsed(body);
  if ("value" in whole) return { form: "json", values: itemsOf(whole.value, body) };
  if (body.trimStart().startsWith("[")) return { form: "broken array", why: whole.why };
  const values: PlacedValue[] = [];
  const faults: LineFault[] = [];
  for (const [i, written] of body.split("\n").entries()) {
    if (written.trim() === "") continue;
    const one = parsed(written);
    if ("value" in one) values.push({ value: one.value, line: i + 1 });
    else faults.push({ line: i + 1, text: written.trim(), why: one.why });
  }
  return { form: "lines", values, faults };
}

function itemsOf(value: unknown, body: string): readonly PlacedValue[] {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  const starts = Array.isArray(value) ? itemStarts(body) : [body.search(/\S/)];
  let [line, seen] = [1, 0];
  return items.map((item, i) => {
    for (let at = body.indexOf("\n", seen); at >= 0 && at < (starts[i] ?? 0); at = body.indexOf("\n", seen)) {
      [line, seen] = [line + 1, at + 1];
    }
    return { value: item, line };
  });
}

/** Where the items of an array begin, in text that is known to be one. */
function itemStarts(body: string): readonly number[] {
  const starts: number[] = [];
  let depth = 0;
  let isAwaited = false;
  for (const { 0: token, index } of body.matchAll(/"(?:[^"\\]|\\.)*"|[[\]{}]|,|[^\s"[\]{},:]+/g)) {
    const closes = token === "]" || token === "}";
    if (isAwaited && token !== "]") starts.push(index);
    if (token === "[" || token === "{") depth += 1;
    else if (closes) depth -= 1;
    isAwaited = depth === 1 && (token === "," || (token === "[" && starts.length === 0));
  }
  return starts;
}

function parsed(text: string): { readonly value: unknown } | { readonly why: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}
