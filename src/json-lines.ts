/** @file Reads JSON and JSON lines from text: the values, and the lines on which they stand. Knows nothing of what they mean. */
import { shownJson } from "./describe.ts";
import { GlmError } from "./errors.ts";
import { LARGEST_TEXT, readText, statOf } from "./regular-file.ts";

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
  /** Text that can be read as neither, and why. */
  | { readonly form: "broken"; readonly why: string };

/**
 * The text of a file that holds JSON or JSON lines.
 * @param what it is to be, for the message: "a file of training rows"
 * @throws GlmError "data-invalid" when it cannot be read
 */
export async function fileText(path: string, what: string): Promise<string> {
  if (typeof path !== "string" || path === "") {
    throw new GlmError("data-invalid", `expected the path of ${what}, got ${shownJson(path)}.`);
  }
  const fail = (got: string): GlmError => new GlmError("data-invalid", `${path}: expected ${what}, ${got}`);
  return readText(path, LARGEST_TEXT).catch(async (cause: unknown) => {
    if (cause instanceof Error && "code" in cause && cause.code === "EFBIG") {
      const { size } = await statOf(path);
      throw fail(
        `got ${Math.ceil(size / 1e6)} MB, and one text has room for ${Math.floor(LARGEST_TEXT / 1e6)}. ` +
          "Divide the file (split -C 500m FILE) and train on its parts one after another.",
      );
    }
    const why = cause instanceof Error ? cause.message : String(cause);
    // Without the cause: it says no more than this, and its trace leads into this library.
    if (cause instanceof Error && "code" in cause && cause.code === "EILSEQ")
      throw fail(`but it cannot be read: ${why}`);
    throw fail(`but it cannot be read (${why}). Check the path.`);
  });
}

/** Reads a JSON array, one JSON value, or JSON lines with blank lines between them. */
export function readJson(text: string): JsonReading {
  const body = text.replace(/^\uFEFF/, "");
  const whole = parsed(body);
  if ("value" in whole) return { form: "json", values: itemsOf(whole.value, body) };
  if (body.trimStart().startsWith("[")) return { form: "broken", why: `the JSON array cannot be read: ${whole.why}` };
  const values: PlacedValue[] = [];
  const faults: LineFault[] = [];
  for (const [i, written] of body.split("\n").entries()) {
    if (written.trim() === "") continue;
    const one = parsed(written);
    if ("value" in one) values.push({ value: one.value, line: i + 1 });
    else faults.push({ line: i + 1, text: written.trim(), why: one.why });
  }
  const cause = faults.length > 0 ? causeOf(body, values.length) : undefined;
  return cause === undefined ? { form: "lines", values, faults } : { form: "broken", why: cause };
}

/** What made lines unreadable that are no JSON by themselves, where one cause explains them all. */
function causeOf(body: string, readable: number): string | undefined {
  const mark = body.indexOf("\uFEFF");
  if (mark >= 0) {
    const line = body.slice(0, mark).split("\n").length;
    return `line ${line}: expected JSON, got a byte order mark in the midst of the text. Were files joined? Remove the mark (U+FEFF).`;
  }
  if (readable > 0 || !body.trimStart().startsWith("{")) return undefined;
  const objects = wholeObjects(body);
  return objects === undefined
    ? undefined
    : `expected one JSON object a line, or one array, got ${objects} objects that are spread over lines. ` +
        "Write each on one line (jq -c . FILE), or put them into an array with commas between them.";
}

/** How many JSON objects stand one after another, when the whole text is that. */
function wholeObjects(body: string): number | undefined {
  let [objects, depth, from] = [0, 0, 0];
  for (const { 0: token, index } of body.matchAll(TOKENS)) {
    if (depth === 0 && token === "{") from = index;
    if (token === "{" || token === "[") depth += 1;
    else if (token === "}" || token === "]") depth -= 1;
    else if (depth === 0) return undefined;
    if (depth !== 0 || token !== "}") continue;
    if (!("value" in parsed(body.slice(from, index + 1)))) return undefined;
    objects += 1;
  }
  return objects > 1 && depth === 0 ? objects : undefined;
}

/** Strings, brackets, commas, and what else stands between white space and colons. */
const TOKENS = /"(?:[^"\\]|\\.)*"|[[\]{}]|,|[^\s"[\]{},:]+/g;

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
  for (const { 0: token, index } of body.matchAll(TOKENS)) {
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
