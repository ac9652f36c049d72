/** @file JSON from text that comes piece by piece: JSON lines, or the items of one array; none of it is held longer than a row. */
import { shownJson } from "../describe.ts";
import { type PlacedValue, readJson } from "../json-lines.ts";

/** A value with the line on which it begins, and with its number in an array of JSON, from 1; or what is wrong there. */
export type Found = (PlacedValue & { readonly item?: number }) | { readonly fault: string };

/** Longest line or item in characters. */
const LONGEST = 2 ** 28;
/** A text that is no JSON lines is looked at as a whole, to say what it is, up to so many characters. */
const LOOKED_AT = 2 ** 26;

export async function* jsonRecords(pieces: AsyncIterable<string>): AsyncGenerator<Found, void, void> {
  let text = "";
  const rest = pieces[Symbol.asyncIterator]();
  const next = async (): Promise<string | undefined> => {
    const { done, value } = await rest.next();
    return done ? undefined : value;
  };
  try {
    for (let piece = await next(); piece !== undefined; piece = await next()) {
      text += piece;
      if (text.trim() !== "") break;
    }
    yield* text.trimStart().startsWith("[") ? arrayItems(text, next) : jsonLines(text, next);
  } finally {
    await rest.return?.(undefined);
  }
}

type Next = () => Promise<string | undefined>;

async function* jsonLines(begun: string, next: Next): AsyncGenerator<Found, void, void> {
  let [rest, line, isFirst] = [begun, 0, true];
  for (let ended = false; !ended; ) {
    const piece = rest.includes("\n") && isFirst ? "" : await next();
    ended = piece === undefined;
    const lines = (rest + (piece ?? "")).split("\n");
    rest = ended ? "" : (lines.pop() ?? "");
    if (rest.length > LONGEST) {
      yield { fault: `line ${line + lines.length + 1}: it is longer than ${LONGEST} characters. ${ONE_A_LINE}` };
      return;
    }
    for (const [i, written] of lines.entries()) {
      line += 1;
      if (written.trim() === "") continue;
      const one = parsed(written);
      if (isFirst && "why" in one) {
        // One object over many lines, or something else: what it is shows as a whole.
        const whole = await gathered([...lines.slice(i), rest].join("\n"), next);
        yield* asWhole(whole.text, line, whole.isAll);
        return;
      }
      isFirst = false;
      yield "why" in one ? { fault: lineFault(line, written, one.why) } : { value: one.value, line };
    }
  }
}

const ONE_A_LINE = "Expected one JSON object a line, or one array.";

function lineFault(line: number, written: string, why: string): string {
  return written.startsWith("\uFEFF")
    ? `line ${line}: expected JSON, got a byte order mark in the midst of the text. Were files joined? Remove the mark (U+FEFF).`
    : `line ${line}: expected a JSON object, got ${shownJson(written.trim())} (${why})`;
}

async function gathered(begun: string, next: Next): Promise<{ readonly text: string; readonly isAll: boolean }> {
  let text = begun;
  for (let piece = await next(); piece !== undefined; piece = await next()) {
    text += piece;
    if (text.length > LOOKED_AT) return { text, isAll: false };
  }
  return { text, isAll: true };
}

/** @param first the line on which the text begins */
function* asWhole(text: string, first: number, isAll: boolean): Generator<Found, void, void> {
  if (!isAll) {
    const [line = ""] = text.split("\n", 1);
    yield { fault: `line ${first}: expected a JSON object, got ${shownJson(line.trim())}. ${ONE_A_LINE}` };
    return;
  }
  const read = readJson(text);
  if (read.form === "broken") {
    yield { fault: read.why };
    return;
  }
  for (const { value, line } of read.values) yield { value, line: line + first - 1 };
  if (read.form === "json") return;
  for (const { line, text: written, why } of read.faults) yield { fault: lineFault(line + first - 1, written, why) };
}

const [QUOTE, BACKSLASH, COMMA, NEWLINE] = [34, 92, 44, 10];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [91, 93, 123, 125];
const isSpace = (code: number): boolean => code === 32 || code === 9 || code === 10 || code === 13;

/** The items of an array: their ends are found by brackets and quotation marks, and each is parsed by itself. */
async function* arrayItems(begun: string, next: Next): AsyncGenerator<Found, void, void> {
  const scan: Scan = { depth: 0, inText: false, isEscaped: false, line: 1, from: -1, begins: 1, isAwaited: false };
  let [text, item] = [begun, 0];
  for (let at = 0; ; ) {
    for (; at < text.length; at += 1) {
      const code = text.charCodeAt(at);
      const ends = step(scan, code, at);
      if (ends === "after") {
        yield {
          fault: `line ${scan.line}: expected nothing after the array, got ${shownJson(text.slice(at, at + 40))}`,
        };
        return;
      }
      if (ends === "empty") {
        yield { fault: `line ${scan.line}: the JSON array cannot be read: expected a value before ${text[at]}` };
        return;
      }
      if (ends !== "item") continue;
      const one = parsed(text.slice(scan.from, at));
      scan.from = -1;
      if ("why" in one) {
        yield { fault: `line ${scan.begins}: the JSON array cannot be read: ${one.why}` };
        return;
      }
      item += 1;
      yield { value: one.value, line: scan.begins, item };
    }
    // What is begun stays, and the rest of it comes.
    const kept = scan.from < 0 ? text.length : scan.from;
    const piece = await next();
    if (piece === undefined) break;
    text = text.slice(kept) + piece;
    at -= kept;
    if (scan.from >= 0) scan.from = 0;
    if (text.length > LONGEST) {
      yield {
        fault: `line ${scan.begins}: an item is longer than ${LONGEST} characters. Is a quotation mark missing?`,
      };
      return;
    }
  }
  if (scan.depth >= 0) {
    yield {
      fault: `line ${scan.line}: the JSON array cannot be read: it does not end. Is the file whole? Download or copy it again.`,
    };
  }
}

interface Scan {
  /** Of brackets; -1 after the array. */
  depth: number;
  inText: boolean;
  isEscaped: boolean;
  line: number;
  /** Where the item begins that is being read; -1 between items. */
  from: number;
  /** On which line. */
  begins: number;
  /** Whether a comma wants another item. */
  isAwaited: boolean;
}

/** Takes one character: tells that an item ends before it, or that it should not stand here. */
function step(scan: Scan, code: number, at: number): "item" | "after" | "empty" | undefined {
  if (code === NEWLINE) scan.line += 1;
  if (scan.inText) {
    if (scan.isEscaped) scan.isEscaped = false;
    else if (code === BACKSLASH) scan.isEscaped = true;
    else if (code === QUOTE) scan.inText = false;
    return undefined;
  }
  if (isSpace(code)) return undefined;
  if (scan.depth < 0) return "after";
  if (scan.depth === 0) {
    scan.depth = 1;
    return undefined;
  }
  const isEnd = scan.depth === 1 && (code === COMMA || code === CLOSE_LIST);
  if (isEnd) {
    const hasItem = scan.from >= 0;
    if (!hasItem && (code === COMMA || scan.isAwaited)) return "empty";
    scan.isAwaited = code === COMMA;
    if (code === CLOSE_LIST) scan.depth = -1;
    return hasItem ? "item" : undefined;
  }
  if (scan.from < 0) [scan.from, scan.begins] = [at, scan.line];
  if (code === QUOTE) scan.inText = true;
  else if (code === OPEN_LIST || code === OPEN_OBJECT) scan.depth += 1;
  else if (code === CLOSE_LIST || code === CLOSE_OBJECT) scan.depth -= 1;
  return undefined;
}

function parsed(text: string): { readonly value: unknown } | { readonly why: string } {
  try {
    return { value: JSON.parse(text) };
  } catch (error) {
    return { why: error instanceof Error ? error.message : String(error) };
  }
}
