/** @file Which of a magic's commands is meant: the one that its first word names, on a line or above a cell. */
import { suggestion } from "../src/suggestion.ts";
import { MagicError } from "./error.ts";
import type { Command, Commands, Magic } from "./magic.ts";
import { nextWord } from "./words.ts";

/** `%name` takes one line, `%%name` the whole cell. */
export type Sign = "%" | "%%";

/** A magic as it is written. */
export interface Named {
  readonly sign: Sign;
  readonly name: string;
  /** The offset of its `%`. */
  readonly at: number;
  readonly nameEnd: number;
}

export interface Chosen {
  /** Undefined where the magic needs a subcommand and only its help is asked for. */
  readonly command: Command | undefined;
  /** The command as the user knows it: "%%knowledge add". */
  readonly title: string;
  /** Where its arguments begin. */
  readonly start: number;
}

export function commandsOf(magic: Magic, sign: Sign): Commands | undefined {
  return sign === "%%" ? magic.cell : magic.line;
}

export function subcommandsOf(commands: Commands): readonly string[] {
  return Object.keys(commands).filter((name) => name !== "");
}

/** The command of a first word, else the one that needs no name. */
export function commandFor(commands: Commands, firstWord: string): Command | undefined {
  return Object.hasOwn(commands, firstWord) ? commands[firstWord] : commands[""];
}

/** Reads the subcommand of a magic whose line ends at `end`; throws MagicError for one that is missing or unknown. */
export function chosenCommand(source: string, named: Named, end: number, magic: Magic, commands: Commands): Chosen {
  const { sign, name, at, nameEnd } = named;
  const known = subcommandsOf(commands);
  const word = known.length > 0 ? nextWord(source, nameEnd, end) : undefined;
  if (!word || word.text.startsWith("--") || word.text.startsWith("//")) {
    const command = commands[""];
    if (command || word?.text === "--help") return { command, title: `${sign}${name}`, start: nameEnd };
    throw new MagicError(`${sign}${name} needs one of: ${known.join(", ")}.`, at, nameEnd - at);
  }
  const text = word.text.replace(/;$/, "");
  if (known.includes(text)) return { command: commands[text], title: `${sign}${name} ${text}`, start: word.to };
  const other = sign === "%" ? "%%" : "%";
  const isOther = Object.hasOwn(commandsOf(magic, other) ?? {}, text) && text !== "";
  // Its first word is an argument of the command without a name, where that takes any.
  const plain = commands[""];
  if (plain && plain.positional > 0 && !isOther) return { command: plain, title: `${sign}${name}`, start: nameEnd };
  const takes = sign === "%" ? "what stands on the lines below it" : "one line";
  const hint = isOther ? ` It takes ${takes}: write ${other}${name} ${text}.` : suggestion(text, known);
  throw new MagicError(`${sign}${name} has no "${text}".${hint}`, word.from, word.to - word.from);
}
