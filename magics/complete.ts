/** @file What could be written next in a magic: names, subcommands, options and their values. */

import { commandOf, type Located, magicAt } from "./locate.ts";
import type { Command } from "./magic.ts";
import type { OptionSpec } from "./option.ts";
import { COMMON_OPTIONS } from "./parse.ts";
import { knownAdapters } from "./session.ts";
import { MAGICS } from "./table.ts";

export interface MagicCompletion {
  readonly matches: readonly string[];
  /** The text from `start` up to `end` is replaced. */
  readonly start: number;
  readonly end: number;
}

/** Undefined where TypeScript has the word: outside magics, and in the text and expressions of magics. */
export function completeMagic(code: string, cursor: number): MagicCompletion | undefined {
  const located = magicAt(code, cursor);
  if (!located) return undefined;
  if (cursor <= located.nameEnd) return names(code, cursor, located);
  const words = code.slice(located.nameEnd, cursor).split(/[ \t\r\n\\]+/);
  const current = words.pop() ?? "";
  const before = words.filter((word) => word !== "");
  if (current.includes("${")) return undefined;
  const found = commandOf(located, before[0] ?? "");
  if (!found) return undefined;
  const start = cursor - current.length;
  const complete = (matches: readonly string[]): MagicCompletion => completion(current, matches, start, cursor);
  const subcommands = located.sign === "%" ? Object.keys(found.magic.line ?? {}).filter((name) => name !== "") : [];
  const hasSubcommand = before.length > 0 && subcommands.includes(before[0] ?? "");
  if (before.length === 0 && subcommands.length > 0 && !current.startsWith("-")) return complete(subcommands);
  if (!found.command) return undefined;
  return inCommand(found.command, hasSubcommand ? before.slice(1) : before, current, complete, start, cursor);
}

function inCommand(
  command: Command,
  before: readonly string[],
  current: string,
  complete: (matches: readonly string[]) => MagicCompletion,
  start: number,
  cursor: number,
): MagicCompletion | undefined {
  const options: Readonly<Record<string, OptionSpec>> = { ...command.options, ...COMMON_OPTIONS };
  const inline = /^--([\w-]+)=(.*)$/s.exec(current);
  const previous = /^--([\w-]+)$/.exec(before.at(-1) ?? "")?.[1];
  const option = inline?.[1] ?? previous;
  const spec = option !== undefined && Object.hasOwn(options, option) ? options[option] : undefined;
  if (spec && spec.kind !== "flag") {
    const typed = inline?.[2] ?? current;
    return completion(typed, values(spec, typed), cursor - typed.length, cursor);
  }
  const given = before.flatMap((word) => /^--([\w-]+)/.exec(word)?.[1] ?? []);
  const contradicted = given.flatMap((name) => options[name]?.conflicts ?? []);
  const free = Object.keys(options).filter((name) => !given.includes(name) && !contradicted.includes(name));
  if (current.startsWith("-")) return complete(free.map((name) => `--${name}`));
  if (command.text === "line" && (current !== "" || positionals(before, options) > 0)) {
    return undefined;
  }
  const adapters = command.completes === "adapter" && positionals(before, options) === 0 ? knownAdapters() : [];
  const all = current === "" ? [...adapters, ...free.map((name) => `--${name}`)] : adapters;
  return completion(current, all, start, cursor);
}

function names(code: string, cursor: number, { at, sign, nameEnd }: Located): MagicCompletion {
  const first = code.slice(0, at).trim() === "";
  const all = Object.entries(MAGICS).flatMap(([name, magic]) => [
    ...(magic.line && sign === "%" ? [`%${name}`] : []),
    ...(magic.cell && first ? [`%%${name}`] : []),
  ]);
  return completion(code.slice(at, cursor), all, at, nameEnd);
}

function values(spec: OptionSpec, typed: string): readonly string[] {
  switch (spec.kind) {
    case "choice":
      return spec.choices;
    case "adapter":
      return [...knownAdapters(), "none"];
    case "adapters": {
      const done = typed.slice(0, typed.lastIndexOf(",") + 1);
      return [...knownAdapters(), "none"].filter((name) => !done.split(",").includes(name)).map((name) => done + name);
    }
    default:
      return [];
  }
}

/** Words before the current one that are neither options nor their values. */
function positionals(before: readonly string[], options: Readonly<Record<string, OptionSpec>>): number {
  return before.filter((_, index) => isText(before, index, options)).length;
}

function isText(before: readonly string[], index: number, options: Readonly<Record<string, OptionSpec>>): boolean {
  if (before[index]?.startsWith("--")) return false;
  const option = /^--([\w-]+)$/.exec(before[index - 1] ?? "")?.[1];
  return option === undefined || options[option]?.kind === "flag" || !Object.hasOwn(options, option);
}

function completion(typed: string, candidates: readonly string[], start: number, end: number): MagicCompletion {
  return { matches: candidates.filter((name) => name.startsWith(typed)), start, end };
}
