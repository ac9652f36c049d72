/** @file Errors as the user sees them: where in the cell, the code around it, and only frames that mean something. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Complaint } from "./compiler.ts";
import { attempt, describe, describeError, isError } from "./describe.ts";
import type { CellOutcome } from "./language.ts";
import { type Origin, offsetOf, type Place, placeOf, type SourceMaps } from "./sourcemap.ts";

export type Failure = Extract<CellOutcome, { status: "error" }>;

interface Trace {
  /** The innermost place in the user's own code. */
  readonly place?: Place;
  /** "at f (Cell [3]:8:9)": from the error to the outermost frame of the user's code. */
  readonly frames: readonly string[];
}

const traces = new WeakMap<object, Trace>();
const kernelFolder = new URL(".", import.meta.url).href;
const MAX_FRAMES = 20;
/** Errors that one error was caused by, directly or not, which are told. */
const MAX_CAUSES = 100;

type PrepareStackTrace = NonNullable<typeof Error.prepareStackTrace>;
let ownStackTrace: PrepareStackTrace | undefined;

/** From now on `error.stack` of every error has the user's own lines, also where a cell prints it. */
export function installStackTraces(maps: SourceMaps): void {
  ownStackTrace = (error, callSites) => {
    const sites = callSites.map((site) => describeSite(maps, site));
    const outermost = sites.findLastIndex(({ place }) => place);
    // What called the cell is of no interest, nor what the kernel put between its lines.
    const relevant = sites.slice(0, outermost < 0 ? MAX_FRAMES : outermost + 1).filter(({ isInternal }) => !isInternal);
    const place = sites.find((site) => site.place)?.place;
    traces.set(error, { frames: relevant.map(({ text }) => `at ${text}`), ...(place && { place }) });
    return [headline(error), ...(place ? relevant : sites).map(({ text }) => `    at ${text}`)].join("\n");
  };
  Error.prepareStackTrace = ownStackTrace;
}

interface Site {
  readonly text: string;
  readonly place: Place | undefined;
  readonly isInternal: boolean;
}

function describeSite(maps: SourceMaps, site: NodeJS.CallSite): Site {
  const file = site.getFileName() ?? "";
  const [line, column] = [site.getLineNumber() ?? 0, site.getColumnNumber() ?? 0];
  const place = maps.locate(file, line, column);
  const text = String(site).replace(
    `${file}:${line}:${column}`,
    place ? `${place.name}:${place.line}:${place.column}` : "$&",
  );
  // A user's script without a place there: code that the compiler added.
  const isInternal = file.startsWith("node:") || file.startsWith(kernelFolder) || (maps.has(file) && !place);
  return { text, place, isInternal };
}

function headline(error: Error): string {
  const text = attempt(() => Error.prototype.toString.call(error));
  return "value" in text ? text.value : "Error";
}

/** The outcome of a cell that threw `error`, which may be anything. Never throws. */
export function failureOf(error: unknown): Failure {
  if (!isError(error)) {
    const message = describe(error);
    return { status: "error", name: "Uncaught", message, traceback: [`${red("Uncaught")} ${message}`] };
  }
  const { name, message } = describeError(error);
  return { status: "error", name, message, traceback: tracebackOf(error) };
}

/**
 * The library's errors say what to do; where inside the library they were made is of no use to a user, nor is where what
 * caused them was.
 */
function tracebackOf(error: Error): string[] {
  const lines: string[] = [];
  const told = new Set<unknown>();
  const waiting: { readonly cause: unknown; readonly isExplained: boolean }[] = [{ cause: error, isExplained: false }];
  for (let next = waiting.shift(); next; next = waiting.shift()) {
    const { cause } = next;
    if (told.has(cause)) continue;
    if (told.size > MAX_CAUSES) {
      lines.push("", `and ${waiting.length + 1} more causes, with their own`);
      break;
    }
    told.add(cause);
    if (told.size > 1) lines.push("", "Caused by:");
    if (!isError(cause)) {
      lines.push(describe(cause));
      continue;
    }
    const { name, message, causes } = describeError(cause);
    const isExplained = next.isExplained || name === "GlmError";
    lines.push(`${red(name)}: ${message}`, ...whereabouts(cause, isExplained));
    waiting.unshift(...causes.map((inner) => ({ cause: inner, isExplained })));
  }
  return lines;
}

function whereabouts(error: Error, isExplained: boolean): string[] {
  const { place, frames: all } = traceOf(error);
  const frames = isExplained ? all.filter((frame) => !frame.includes("file://")) : all;
  return [...(place ? excerpt(place) : []), ...frames.map((frame) => `    ${frame}`)];
}

/** The innermost place in the user's code that the error came from, if it came from there. */
export function placeOfError(error: unknown): Place | undefined {
  return isError(error) ? traceOf(error).place : undefined;
}

/** The outcome of a cell in which something is wrong at a known place. */
export function failureAt({ name, message }: Error, place: Place, length: number): Failure {
  return { status: "error", name, message, traceback: [`${red(name)}: ${message}`, ...excerpt(place, length)] };
}

/** The outcome of a cell that was interrupted; `place` is where it stood, if that is known. */
export function interruption(place?: Place): Failure {
  const [name, message] = ["Interrupted", "The cell was interrupted. What it assigned so far is kept."];
  return { status: "error", name, message, traceback: [`${red(name)}: ${message}`, ...(place ? excerpt(place) : [])] };
}

type Source = Pick<Origin, "name" | "text" | "expanded" | "map">;

/** The outcome of a cell that does not compile. `cwd` is what the names of files are relative to. */
export function complaintsFailure(complaints: readonly Complaint[], cell: Source, cwd: string): Failure {
  const shown = complaints.map(({ file, line, column, length, code, message }) => {
    const source = file === undefined ? cell : sourceOfFile(file, cwd);
    const place = placeOf(source, offsetOf(source.expanded, line, column));
    return { place, length, message: `TS${code}: ${message}` };
  });
  const traceback = shown.flatMap(({ place, message, length }, index) => {
    return [...(index > 0 ? [""] : []), `${red("TypeScript error")} ${message}`, ...excerpt(place, length)];
  });
  const [first] = shown;
  const at = first ? `${first.message} (${first.place.name}:${first.place.line}:${first.place.column})` : "";
  const more = shown.length > 1 ? ` and ${shown.length - 1} more` : "";
  return { status: "error", name: "TypeScript error", message: at + more, traceback };
}

function sourceOfFile(file: string, cwd: string): Source {
  const text = readFileSync(join(cwd, file), "utf8");
  return { name: file, text, expanded: text, map: (offset) => offset };
}

function traceOf(error: Error): Trace {
  const stack = stackOf(error); // made, and its trace with it, when it is first asked for
  const trace = traces.get(error);
  if (trace) return trace;
  const lines = stack.split("\n").filter((line) => /^ +at /.test(line));
  return { frames: lines.slice(0, MAX_FRAMES).map((line) => line.trim()) };
}

/** The stack as this kernel writes it, also where a cell has its own way of writing stacks; "" when it is not text. */
function stackOf(error: Error): string {
  const theirs = attempt(() => Error.prepareStackTrace);
  const own = ownStackTrace;
  const isTheirs = own !== undefined && !("value" in theirs && theirs.value === own);
  if (isTheirs) attempt(() => Reflect.set(Error, "prepareStackTrace", own));
  const stack = attempt((): unknown => error.stack);
  if (isTheirs && "value" in theirs) attempt(() => Reflect.set(Error, "prepareStackTrace", theirs.value));
  return "value" in stack && typeof stack.value === "string" ? stack.value : "";
}

/** Lines of code around a place with a caret under it; `length` units are underlined. */
function excerpt(place: Place, length = 1): string[] {
  const lines = place.text.split("\n");
  const first = Math.max(1, place.line - 2);
  const last = Math.min(lines.length, place.line + 1);
  const width = String(last).length;
  const shown: string[] = [`${place.name}:${place.line}:${place.column}`];
  for (let line = first; line <= last; line++) {
    const number = String(line).padStart(width);
    const code = lines[line - 1] ?? "";
    shown.push(`${line === place.line ? red(">") : " "} ${number} | ${code}`);
    if (line !== place.line) continue;
    const indent = code.slice(0, place.column - 1).replace(/[^\t]/g, " ");
    const carets = "^".repeat(Math.max(1, Math.min(length, code.length - place.column + 1)));
    shown.push(`  ${" ".repeat(width)} | ${indent}${red(carets)}`);
  }
  return shown;
}

function red(text: string): string {
  return `\u001b[31m${text}\u001b[39m`;
}
