/** @file Expands the magics of a cell to TypeScript: the one entry point for whoever runs cells. */
import { suggestion } from "../src/suggestion.ts";
import type { Code } from "./code.ts";
import { chosenCommand, commandsOf, type Named } from "./commands.ts";
import { MagicError } from "./error.ts";
import { type Candidate, declares, nextCandidate, placeAfter, readsAsModulo } from "./find.ts";
import { foreignMagic } from "./foreign.ts";
import type { Call, Command, Expanded, Magic } from "./magic.ts";
import { parseArguments } from "./parse.ts";
import { ExpandedCell } from "./positions.ts";
import { libraryCode } from "./shown.ts";
import { MAGICS } from "./table.ts";
import { RUNTIME } from "./values.ts";

export interface Expansion {
  /** TypeScript, to be compiled and run in place of the cell. */
  readonly code: string;
  /** False when there was nothing to expand: then the code is the cell, unchanged. */
  readonly isMagic: boolean;
  /** The offset in the cell as written that an offset of the expanded code stands for. */
  map(offset: number): number;
  /** The offset in the expanded code that stands for an offset of the cell as written. */
  toExpanded(offset: number): number;
}

export interface ExpandOptions {
  /**
   * Whether the notebook has a variable of this name. Only asked where a line such as `%params` follows an expression
   * without a semicolon, which TypeScript could read as a modulo. Without it, TypeScript's reading stands.
   */
  readonly declared?: (name: string) => boolean;
}

/** Throws MagicError for a magic that is not written as it must be; TypeScript's own errors are left to TypeScript. */
export function expand(code: string, options: ExpandOptions = {}): Expansion {
  const cell = new ExpandedCell(code);
  const isMagic = expandCell(code, cell) || expandLines(code, cell, options);
  if (!isMagic) return { code, isMagic, map: (offset) => offset, toExpanded: (offset) => offset };
  return {
    code: cell.text,
    isMagic,
    map: (offset) => cell.toWritten(offset),
    toExpanded: (offset) => cell.toExpanded(offset),
  };
}

/** Begins the code of every cell with magics. */
export const PRELUDE: string = `import * as ${RUNTIME} from "glmlab/magics"; `;

/** A cell magic takes the whole cell. */
function expandCell(code: string, cell: ExpandedCell): boolean {
  const start = /^\s*%%/.exec(code);
  if (!start) return false;
  const at = start[0].length - 2;
  const name = /^[A-Za-z][\w-]*/.exec(code.slice(at + 2))?.[0] ?? "";
  const nameEnd = at + 2 + name.length;
  const magic = Object.hasOwn(MAGICS, name) ? MAGICS[name] : undefined;
  if (!magic?.cell) {
    const foreign = magic ? undefined : foreignMagic("%%", name, code.slice(nameEnd, endOfLine(code, nameEnd)));
    if (foreign !== undefined) throw new MagicError(foreign, at, nameEnd - at);
    const known = Object.keys(MAGICS).filter((key) => MAGICS[key]?.cell);
    const hint = magic ? ` It takes one line: write %${name}.` : suggestion(name, known, "%%");
    throw new MagicError(`There is no cell magic %%${name}.${hint}`, at, nameEnd - at);
  }
  const lineEnd = endOfLine(code, nameEnd);
  const lineBreak = /^\r?\n/.exec(code.slice(lineEnd))?.[0].length ?? 0;
  const body = { from: lineEnd + lineBreak, to: code.length };
  cell.emit(PRELUDE, 0, 0);
  const expanded = expandMagic(code, { sign: "%%", name, at, nameEnd }, lineEnd, magic, { body, isValue: false });
  cell.emitCode(statement(expanded), at, code.length);
  return true;
}

function expandLines(code: string, cell: ExpandedCell, options: ExpandOptions): boolean {
  let copied = 0;
  let found = false;
  for (
    let candidate = nextCandidate(code, 0);
    candidate;
    candidate = nextCandidate(code, Math.max(copied, candidate.nameEnd))
  ) {
    const prefix = cell.text + code.slice(copied, candidate.at);
    const place = placeOf(candidate, code, prefix, options);
    if (place === "typescript") continue;
    if (!found) cell.emit(PRELUDE, 0, 0);
    found = true;
    cell.copy(copied, candidate.at);
    const end = endOfLine(code, candidate.nameEnd);
    const magic = Object.hasOwn(MAGICS, candidate.name) ? MAGICS[candidate.name] : undefined;
    if (!magic?.line) throw unknownMagic(candidate, code);
    const isValue = place === "value";
    const expanded = expandMagic(code, { ...candidate, sign: "%" }, end, magic, { isValue });
    cell.emitCode(isValue ? [...expanded.expression, ";"] : statement(expanded), candidate.at, end);
    copied = end;
  }
  cell.copy(copied, code.length);
  return found;
}

/** Whether the candidate is a magic, and as what; throws where it can only be a magic in the wrong place. */
function placeOf(
  candidate: Candidate,
  code: string,
  prefix: string,
  options: ExpandOptions,
): "statement" | "value" | "typescript" {
  const place = placeAfter(prefix);
  const isKnown = Object.hasOwn(MAGICS, candidate.name);
  if (!place.statement && !place.value) return "typescript";
  if (place.operator && !(candidate.percents === 2 && isKnown)) {
    const isMine = (isKnown || foreignMagic("%", candidate.name, "") !== undefined) && place.statement;
    const declared = options.declared ?? (() => true);
    const isDeclared = declares(prefix, candidate.name) || declared(candidate.name);
    const isModulo = !isMine || (isDeclared && readsAsModulo(code.slice(candidate.at)));
    return isModulo ? "typescript" : "statement";
  }
  const length = candidate.nameEnd - candidate.at;
  if (candidate.percents === 2) {
    if (!isKnown) throw unknownMagic(candidate, code);
    throw new MagicError(`%%${candidate.name} must be the first line of its cell.`, candidate.at, length);
  }
  const before = code.slice(0, candidate.at).trimEnd();
  const opensLine = before === "" || before.endsWith(";") || code.slice(before.length, candidate.at).includes("\n");
  if (place.statement && opensLine) return "statement";
  const question = /(?:^|\n)\s*(\?{1,2})$/.exec(before)?.[1];
  if (question !== undefined) {
    const name = `%${candidate.name}`;
    const message = `${question}${name} is how IPython is asked about a magic. Write: ${name} --help`;
    throw new MagicError(message, candidate.at, length);
  }
  if (!place.statement && /(=>?|\breturn|\bawait)$/.test(before)) return "value";
  if (!isKnown) throw unknownMagic(candidate, code);
  const name = `%${candidate.name}`;
  const message = `${name} takes the rest of its line, so it must begin a line or follow "=": const answer = ${name} ...`;
  throw new MagicError(message, candidate.at, length);
}

/** Reads a magic whose line ends at `end`, its subcommand included. */
function expandMagic(
  source: string,
  named: Named,
  end: number,
  magic: Magic,
  rest: Pick<Call, "body" | "isValue">,
): Run {
  const { sign, name, at, nameEnd } = named;
  const question = /^\?{1,2}(?=\s*;?\s*$)/.exec(source.slice(nameEnd, end))?.[0];
  if (question !== undefined) {
    const message = `${sign}${name}${question} is how IPython is asked about a magic. Write: ${sign}${name} --help`;
    throw new MagicError(message, at, nameEnd + question.length - at);
  }
  const chosen = chosenCommand(source, named, end, magic, commandsOf(magic, named.sign) ?? {});
  const { command, title, start } = chosen;
  if (!command) return helpOn(title);
  const parsed = parseArguments(source, start, end, command, title);
  return expandCall({ source, title, from: named.at, to: start, arguments: parsed, ...rest }, command);
}

function unknownMagic({ name, at, nameEnd, percents }: Candidate, code: string): MagicError {
  const sign = percents === 2 ? "%%" : "%";
  const foreign = Object.hasOwn(MAGICS, name)
    ? undefined
    : foreignMagic(sign, name, code.slice(nameEnd, endOfLine(code, nameEnd)));
  if (foreign !== undefined) return new MagicError(foreign, at, nameEnd - at);
  const known = Object.keys(MAGICS).filter((key) => (percents === 2 ? MAGICS[key]?.cell : MAGICS[key]?.line));
  return new MagicError(`There is no magic ${sign}${name}.${suggestion(name, known, sign)}`, at, nameEnd - at);
}

/** What runs of it. */
type Run = Omit<Expanded, "shown">;

function statement({ expression, declares: variable }: Run): Code {
  return variable ? ["const ", ...variable, " = ", ...expression, ";"] : ["void ", ...expression, ";"];
}

function helpOn(title: string): Run {
  return { expression: [`${RUNTIME}.help(${JSON.stringify(title)})`] };
}

function expandCall(call: Call, command: Command): Run {
  const { options, positional } = call.arguments;
  if (options.has("help")) return helpOn(call.title);
  const extra = positional[command.positional];
  if (extra) {
    const wanted = command.usage === "" ? "nothing but options" : command.usage;
    const message = `${call.title} takes ${wanted}; "${extra.text}" is one word too many. Quote text that has spaces.`;
    throw new MagicError(message, extra.from, extra.to - extra.from);
  }
  const expanded = command.expand(call);
  if (!options.has("show-code")) return expanded;
  return { expression: [`${RUNTIME}.showCode(${JSON.stringify(libraryCode(expanded.shown, call.source))})`] };
}

/** The end of the line at `offset`; a backslash at its end continues it. */
function endOfLine(code: string, offset: number): number {
  const rest = /(?:\\\r?\n|[^\n])*/.exec(code.slice(offset))?.[0] ?? "";
  return offset + rest.replace(/\r$/, "").length;
}
