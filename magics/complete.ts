/** @file What could be written next in a magic: names, subcommands, options and their values. */

import { commandOf, type Located, magicAt } from "./locate.ts";
import type { Command } from "./magic.ts";
import { isRepeatable, type OptionSpec, type OptionTable } from "./option.ts";
import { COMMON_OPTIONS } from "./parse.ts";
import { DEFAULT_BOOK, knownAdapters, knownBooks } from "./session.ts";
import { MAGICS } from "./table.ts";
import { asWord } from "./words.ts";

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
  const words = written(code.slice(located.nameEnd, cursor));
  const current = words.pop() ?? "";
  if (current.includes("${")) return undefined;
  const found = commandOf(located, words[0] ?? "");
  if (!found) return undefined;
  const start = cursor - current.length;
  const complete = (matches: readonly string[]): MagicCompletion => completion(current, matches, start, cursor);
  const { command, subcommands, named } = found;
  if (words.length === 0 && subcommands.length > 0 && !current.startsWith("-")) return complete(subcommands);
  if (!command) return undefined;
  return inCommand(command, named ? words.slice(1) : words, current, complete, start, cursor);
}

/** The words up to the cursor, quotes included; the last one, which may be empty, is being written. */
function written(line: string): string[] {
  const joined = line.replace(/\\\r?\n/g, (broken) => " ".repeat(broken.length));
  const words = joined.match(/(?:"(?:[^"\\]|\\[\s\S])*(?:"|$)|'[^']*(?:'|$)|\\[\s\S]?|[^\s"'\\])+/g) ?? [];
  return words.length > 0 && joined.endsWith(words.at(-1) ?? "") ? [...words] : [...words, ""];
}

function inCommand(
  command: Command,
  before: readonly string[],
  current: string,
  complete: (matches: readonly string[]) => MagicCompletion,
  start: number,
  cursor: number,
): MagicCompletion | undefined {
  const options: OptionTable = { ...command.options, ...COMMON_OPTIONS };
  const inline = /^--([\w-]+)=(.*)$/s.exec(current);
  const previous = /^--([\w-]+)$/.exec(before.at(-1) ?? "")?.[1];
  const option = inline?.[1] ?? previous;
  const spec = option !== undefined && Object.hasOwn(options, option) ? options[option] : undefined;
  if (spec && spec.kind !== "flag") {
    const typed = inline?.[2] ?? current;
    return { matches: begun(typed, values(spec, unquoted(typed))), start: cursor - typed.length, end: cursor };
  }
  const given = before.flatMap((word) => /^--([\w-]+)/.exec(word)?.[1] ?? []);
  const contradicted = given.flatMap((name) => options[name]?.conflicts ?? []);
  const free = Object.entries(options).flatMap(([name, one]) =>
    (given.includes(name) && !isRepeatable(one)) || contradicted.includes(name) ? [] : [name],
  );
  if (current.startsWith("-")) return complete(free.map((name) => `--${name}`));
  if (command.text === "line" && (current !== "" || positionals(before, options) > 0)) {
    return undefined;
  }
  const known = begun(current, namesFor(command, before, options, unquoted(current)));
  const matches = current === "" ? [...known, ...free.map((name) => `--${name}`)] : known;
  return { matches, start, end: cursor };
}

/** What the next word may name. */
function namesFor(command: Command, before: readonly string[], options: OptionTable, typed: string): readonly string[] {
  const place = positionals(before, options);
  const isFirst = place === 0;
  switch (command.completes) {
    case "adapter":
      return isFirst ? knownAdapters() : [];
    case "sum":
      return isFirst ? summed(typed) : [];
    case "name and sum":
      return place === 1 ? summed(typed) : [];
    case "fact":
      return isFirst ? keysIn(before) : [];
    case "facts": {
      const given = before.map(unquoted);
      return keysIn(before).filter((key) => !given.includes(key));
    }
    default:
      return [];
  }
}

/** Keys of the facts in the book that is named so far, or usual. */
function keysIn(before: readonly string[]): readonly string[] {
  const option = before.findLastIndex((word) => /^--book(=|$)/.test(word));
  const named = /^--book=(.*)$/s.exec(before[option] ?? "")?.[1] ?? before[option + 1] ?? "";
  return knownBooks().get(option < 0 ? DEFAULT_BOOK : unquoted(named)) ?? [];
}

function names(code: string, cursor: number, { at, sign, nameEnd }: Located): MagicCompletion {
  const first = code.slice(0, at).trim() === "";
  const all = Object.entries(MAGICS).flatMap(([name, magic]) => [
    ...(magic.line && sign === "%" ? [`%${name}`] : []),
    ...(magic.cell && first ? [`%%${name}`] : []),
  ]);
  return completion(code.slice(at, cursor), all, at, nameEnd);
}

/** What a list with commas could go on with: what it has not yet. */
function listed(names: readonly string[], typed: string): readonly string[] {
  const done = typed.slice(0, typed.lastIndexOf(",") + 1);
  return names.filter((name) => !done.split(",").includes(name)).map((name) => done + name);
}

function values(spec: OptionSpec, typed: string): readonly string[] {
  switch (spec.kind) {
    case "choice":
      return spec.choices;
    case "adapter": {
      const sum = sumSoFar(typed);
      return sum === "" ? [...knownAdapters(), "none"] : summed(typed);
    }
    case "book":
      return [...knownBooks().keys()];
    case "adapters": {
      const done = typed.slice(0, typed.lastIndexOf(",") + 1);
      const sum = sumSoFar(typed.slice(done.length));
      if (sum !== "") return summed(typed.slice(done.length)).map((one) => done + one);
      return listed([...knownAdapters(), "none"], typed);
    }
    case "choices":
      return listed(spec.choices, typed);
    default:
      return [];
  }
}

/** Of a sum of adapters, all before the name that is being written. */
const sumSoFar = (typed: string): string => /^[^,]*(?:[+*]|(?:^|\s)-)\s*/.exec(typed)?.[0] ?? "";

/** What a sum could go on with, or begin with. */
const summed = (typed: string): readonly string[] => knownAdapters().map((name) => sumSoFar(typed) + name);

/** Words before the current one that are neither options nor their values. */
function positionals(before: readonly string[], options: OptionTable): number {
  return before.filter((_, index) => isText(before, index, options)).length;
}

function isText(before: readonly string[], index: number, options: OptionTable): boolean {
  if (before[index]?.startsWith("--")) return false;
  const option = /^--([\w-]+)$/.exec(before[index - 1] ?? "")?.[1];
  return option === undefined || options[option]?.kind === "flag" || !Object.hasOwn(options, option);
}

function completion(typed: string, candidates: readonly string[], start: number, end: number): MagicCompletion {
  return { matches: candidates.filter((name) => name.startsWith(typed)), start, end };
}

/** The names that a word may become, quoted where they have to be, whether their quotes are begun or not. */
function begun(typed: string, names: readonly string[]): readonly string[] {
  return names.filter((name) => name.startsWith(unquoted(typed))).map(asWord);
}

/** A word without its quotes, of which the closing one may be missing still. */
function unquoted(word: string): string {
  const [, quote, inner = ""] = /^(["'])([\s\S]*)$/.exec(word) ?? [];
  if (quote === undefined) return word;
  const text = inner.endsWith(quote) ? inner.slice(0, -1) : inner;
  return quote === '"' ? text.replace(/\\(["\\$])/g, "$1") : text;
}
