/** @file Reads the words of a magic by its command's option table; every fault names the option and what would be right. */
import { suggestion } from "../src/suggestion.ts";
import type { Arguments, GivenOption } from "./arguments.ts";
import { arrayLiteral, type Code } from "./code.ts";
import { MagicError } from "./error.ts";
import { foreignOption } from "./foreign-options.ts";
import { type WrittenText, withoutQuotes } from "./interpolate.ts";
import type { Command } from "./magic.ts";
import { isRepeatable, type OptionSpec, type OptionTable, placeholder } from "./option.ts";
import { optionValue } from "./values.ts";
import { nextWord, skipBlanks, type Word, words } from "./words.ts";

/** Every command has these. */
export const COMMON_OPTIONS: OptionTable = {
  help: { kind: "flag", help: "Say what the magic does and what it takes." },
  "show-code": { kind: "flag", help: "Print the TypeScript that would run, and run nothing." },
};

/** Reads the line from `start` up to `end`; `title` is the magic in messages ("%adapter new"). */
export function parseArguments(source: string, start: number, end: number, command: Command, title: string): Arguments {
  const line = command.text === "line" ? optionsThenText(source, end) : allWords(source, start, end);
  const table: OptionTable = { ...command.options, ...COMMON_OPTIONS };
  const options = new Map<string, GivenOption>();
  const repeated = new Map<string, readonly Code[]>();
  const positional: Word[] = [];
  let at = start;
  for (let word = line.next(at); word; word = line.next(at)) {
    at = word.to;
    if (!isOption(word)) {
      positional.push(word);
      continue;
    }
    const [name, inline] = splitInline(word);
    const spec = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!spec) throw unknownOption(name, word, table, title);
    if (options.has(name) && !isRepeatable(spec))
      throw new MagicError(`--${name} is given twice.`, word.from, word.to - word.from);
    let value = inline;
    if (spec.kind === "flag") {
      if (inline) throw new MagicError(`--${name} is a switch and takes no value.`, word.from, word.to - word.from);
    } else if (!value) {
      value = nextWord(source, at, end);
      if (!value || isOption(value) || isComment(value)) throw missingValue(name, spec, word);
      at = value.to;
    }
    const parsed = optionValue(name, spec, value);
    if (isRepeatable(spec)) repeated.set(name, [...(repeated.get(name) ?? []), parsed]);
    const values = repeated.get(name);
    const given = { spec, name: word, ...(value ? { word: value } : {}) };
    options.set(name, { ...given, value: values ? arrayLiteral(values) : parsed });
  }
  if (!options.has("help")) refuseConflicts(options);
  const text = command.text === "line" ? { text: trimmed(source, at, end) } : {};
  return { positional, options, ...text };
}

/** Yields the words after an offset until the magic's text begins. */
interface Line {
  next(at: number): Word | undefined;
}

/** Up to a `//` comment; a `;` at the end is habit and means nothing. */
function allWords(source: string, start: number, end: number): Line {
  const last = words(source, start, end).at(-1);
  const stop = last === undefined ? start : endsInSemicolon(source, last) ? last.to - 1 : last.to;
  return { next: (at) => nextWord(source, at, stop) };
}

function endsInSemicolon(source: string, word: Word): boolean {
  const closesQuote = word.quoted && /["'];$/.test(source.slice(word.from, word.to));
  return source[word.to - 1] === ";" && (closesQuote || !word.quoted);
}

/** Options come first; the first word that is none begins the text, which may hold anything. */
function optionsThenText(source: string, end: number): Line {
  return {
    next(at) {
      const from = skipBlanks(source, at, end);
      return source.startsWith("--", from) ? nextWord(source, from, end) : undefined;
    },
  };
}

function isOption(word: Word): boolean {
  return !word.quoted && !word.expression && /^--[A-Za-z]/.test(word.text);
}

function isComment(word: Word): boolean {
  return !word.quoted && word.text.startsWith("//");
}

/** `--lr=5e-3` as its name and its value. */
function splitInline(word: Word): readonly [name: string, value: Word | undefined] {
  const equals = word.text.indexOf("=");
  if (equals < 0) return [word.text.slice(2), undefined];
  const value = { ...word, text: word.text.slice(equals + 1), from: word.from + equals + 1 };
  return [word.text.slice(2, equals), value];
}

function trimmed(source: string, start: number, end: number): WrittenText {
  const text = source.slice(start, end);
  const from = start + text.length - text.trimStart().length;
  return withoutQuotes(source, Math.min(from, end), Math.max(from, start + text.trimEnd().length));
}

function unknownOption(name: string, word: Word, table: OptionTable, title: string): MagicError {
  const hint = foreignOption(name, table) ?? suggestion(name, Object.keys(table), "--");
  return new MagicError(`${title} has no option --${name}.${hint}`, word.from, word.to - word.from);
}

function missingValue(name: string, spec: OptionSpec, word: Word): MagicError {
  const message = `--${name} needs a value: --${name} ${placeholder(spec)}`;
  return new MagicError(message, word.from, word.to - word.from);
}

function refuseConflicts(options: ReadonlyMap<string, GivenOption>): void {
  for (const [name, { spec, name: word }] of options) {
    const other = spec.conflicts?.find((conflict) => options.has(conflict));
    if (other === undefined) continue;
    const message = `--${name} and --${other} contradict each other: ${spec.help} Leave one of them out.`;
    throw new MagicError(message, word.from, word.to - word.from);
  }
}
