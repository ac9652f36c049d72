/** @file Leads positions in compiled code back to what the user wrote, through every stage that moved it. */
import { originalPositionFor, TraceMap } from "@jridgewell/trace-mapping";
import { SHIFT } from "./commonjs.ts";

/** A place in a user's cell or file: `line` counts from 1, `column` from 1 (as V8 and editors show them). */
export interface Place {
  /** "Cell [3]" or a file name. */
  readonly name: string;
  readonly line: number;
  readonly column: number;
  /** The whole text that the place is in. */
  readonly text: string;
}

/** One compiled script and the stages it came through, from the user's text to what runs. */
export interface Origin {
  readonly name: string;
  /** What the user wrote. */
  readonly text: string;
  /** What was compiled: the same with its magics expanded. */
  readonly expanded: string;
  /** From an offset in `expanded` to one in `text`. */
  map(offset: number): number;
  /** Lines that tslab puts before what it compiles. */
  readonly prefixLines: number;
  /** The ES module tslab made, with its source map inline. */
  readonly module: string;
  /** Source map (JSON) from the script that runs to that module, and the lines that were shifted in between. */
  readonly scriptMap: string;
  readonly shifted: ReadonlySet<number>;
}

/** All scripts that were run, by the file name V8 knows them under. Maps are parsed when an error asks for them. */
export class SourceMaps {
  readonly #origins = new Map<string, Origin>();
  readonly #maps = new Map<string, readonly [script: TraceMap, module: TraceMap]>();

  add(file: string, origin: Origin): void {
    this.#origins.set(file, origin);
    this.#maps.delete(file);
  }

  has(file: string): boolean {
    return this.#origins.has(file);
  }

  /** `line` and `column` count from 1. Undefined for scripts that are not a user's, and for generated code. */
  locate(file: string, line: number, column: number): Place | undefined {
    const origin = this.#origins.get(file);
    if (!origin) return undefined;
    const [script, module] = this.#mapsOf(file, origin);
    const inModule = originalPositionFor(script, { line, column: column - 1 });
    if (inModule.line === null) return undefined;
    const shift = origin.shifted.has(inModule.line - 1) ? SHIFT : 0;
    const inSource = originalPositionFor(module, { line: inModule.line, column: Math.max(0, inModule.column - shift) });
    if (inSource.line === null) return undefined;
    const offset = offsetOf(origin.expanded, inSource.line - origin.prefixLines, inSource.column);
    // A call of an imported function is compiled to `(0, m.f)(x)`, and V8 names the parenthesis: name the function.
    const callee = origin.expanded[offset] === "(" ? /[\w$]*$/.exec(origin.expanded.slice(0, offset))?.[0].length : 0;
    return placeOf(origin, offset - (callee ?? 0));
  }

  #mapsOf(file: string, origin: Origin): readonly [script: TraceMap, module: TraceMap] {
    const known = this.#maps.get(file);
    if (known) return known;
    const maps = [new TraceMap(origin.scriptMap), new TraceMap(inlineMap(origin.module))] as const;
    this.#maps.set(file, maps);
    return maps;
  }
}

/** The place in the user's text that an offset in the expanded text stands for. */
export function placeOf(origin: Pick<Origin, "name" | "text" | "map">, expandedOffset: number): Place {
  const offset = Math.max(0, Math.min(origin.map(expandedOffset), origin.text.length));
  const before = origin.text.slice(0, offset).split("\n");
  const { length } = before;
  return { name: origin.name, line: length, column: (before[length - 1]?.length ?? 0) + 1, text: origin.text };
}

/** `line` counts from 1, `column` from 0. */
export function offsetOf(text: string, line: number, column: number): number {
  let start = 0;
  for (let at = 1; at < line; at++) {
    const end = text.indexOf("\n", start);
    if (end < 0) return text.length;
    start = end + 1;
  }
  return Math.min(start + column, text.length);
}

function inlineMap(code: string): string {
  const encoded = /\/\/# sourceMappingURL=data:application\/json;base64,(\S+)\s*$/.exec(code)?.[1] ?? "";
  return encoded === ""
    ? '{"version":3,"sources":[],"names":[],"mappings":""}'
    : Buffer.from(encoded, "base64").toString();
}
