/** @file Which magic the cursor is in, also while it is being written. */
import { commandFor, commandsOf, type Named, subcommandsOf } from "./commands.ts";
import { MagicError } from "./error.ts";
import { expand } from "./expand.ts";
import { placeAfter } from "./find.ts";
import type { Command } from "./magic.ts";
import { MAGICS } from "./table.ts";

export interface Located extends Named {
  /** Where its arguments end: the end of its line. */
  readonly end: number;
}

export interface LocatedCommand {
  /** All that the magic has. */
  readonly subcommands: readonly string[];
  /** Whether the first word is one of them. */
  readonly named: boolean;
  /** Undefined where one of them is missing. */
  readonly command: Command | undefined;
}

/** The magic on the line of the cursor; a cell magic's own line only, not what is below it. */
export function magicAt(code: string, cursor: number): Located | undefined {
  const lineStart = startOfLine(code, cursor);
  const lineEnd = code.indexOf("\n", cursor) < 0 ? code.length : code.indexOf("\n", cursor);
  const line = code.slice(lineStart, lineEnd);
  const match = /^(?:.*(?:=|\breturn|\bawait|;)\s*|\s*)(%{1,2})(?:([A-Za-z][\w-]*)|(?=\s|$))/.exec(line);
  if (!match) return undefined;
  const [whole, sign = "%", name = ""] = match;
  const nameEnd = lineStart + whole.length;
  const at = nameEnd - name.length - sign.length;
  const isCell = code.slice(0, at).trim() === "";
  if (cursor < at + sign.length || (sign === "%%" && !isCell)) return undefined;
  if (!isCell && /^\s*%%/.test(code)) return undefined;
  const known = name === "" || Object.keys(MAGICS).some((magic) => magic.startsWith(name));
  if (!known || (!isCell && !standsAlone(code.slice(0, at)))) return undefined;
  return { at, sign: sign === "%%" ? "%%" : "%", name, nameEnd, end: lineEnd };
}

/** The command that the magic runs, given its first word. */
export function commandOf({ sign, name }: Located, firstWord: string): LocatedCommand | undefined {
  const magic = Object.hasOwn(MAGICS, name) ? MAGICS[name] : undefined;
  const commands = magic && commandsOf(magic, sign);
  if (!commands) return undefined;
  const subcommands = subcommandsOf(commands);
  return { subcommands, named: subcommands.includes(firstWord), command: commandFor(commands, firstWord) };
}

/** A line goes on where the one before ends in a backslash. */
function startOfLine(code: string, offset: number): number {
  let start = code.lastIndexOf("\n", offset - 1) + 1;
  while (start > 1 && /\\\r?$/.test(code.slice(0, start - 1))) start = code.lastIndexOf("\n", start - 2) + 1;
  return start;
}

/** True where TypeScript could not mean text or a modulo. */
function standsAlone(before: string): boolean {
  const place = placeAfter(expandedPrefix(before));
  return (place.statement || place.value) && (!place.operator || /\n\s*$/.test(before));
}

function expandedPrefix(before: string): string {
  try {
    return expand(before).code;
  } catch (error) {
    if (error instanceof MagicError) return before;
    throw error;
  }
}
