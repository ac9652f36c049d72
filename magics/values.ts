/** @file An option's written value, checked and turned into TypeScript. */
import { columnTargets, isTarget } from "../src/data/columns.ts";
import { suggestion } from "../src/suggestion.ts";
import { type Code, objectLiteral, type Piece } from "./code.ts";
import { MagicError } from "./error.ts";
import { isPattern, type OptionSpec } from "./option.ts";
import { typescript } from "./typescript.ts";
import type { Word } from "./words.ts";

/** Rules by which rows are read, as properties of an object. */
export type RowRuleCode = readonly (readonly [name: string, value: Code])[];

/** The name that expanded code knows the magics' runtime by. */
export const RUNTIME = "__glmlab";

/** Throws MagicError where the value cannot be meant. `${expression}` is left to the type checker. */
export function optionValue(name: string, spec: OptionSpec, word: Word | undefined): Code {
  if (!word) return ["true"];
  if (spec.kind === "declares") return [{ text: identifier(`--${name}`, word), at: word.from }];
  if (spec.kind === "texts") return textValue(word);
  if (word.expression) return [expressionPiece(word)];
  switch (spec.kind) {
    case "flag":
      return ["true"];
    case "number":
      return [{ text: numeral(name, spec, word), at: word.from }];
    case "choice":
      if (spec.choices.includes(word.text)) return [quoted(word)];
      throw wrong(
        `--${name} is one of ${spec.choices.join(", ")}, not "${word.text}".${hint(word, spec.choices)}`,
        word,
      );
    case "choices":
      return [{ text: JSON.stringify(choicesOf(name, spec.choices, word)), at: word.from }];
    case "text":
    case "book":
      return [quoted(word)];
    case "names":
      return [
        { text: JSON.stringify(isPattern(word.text, spec.words) ? word.text : listOf(name, word)), at: word.from },
      ];
    case "list":
      return [{ text: JSON.stringify(listOf(name, word)), at: word.from }];
    case "adapter":
      return [{ text: adapterName(word.text), at: word.from }];
    case "adapters":
      return [{ text: `[${listOf(name, word).map(adapterName).join(", ")}]`, at: word.from }];
    case "variable":
      return [variable(`--${name}`, word)];
    case "columns":
      return columnsValue(name, word);
    case "rows":
      return rowsValue(`--${name}`, word, spec.unanswered ? [["unanswered", ["true"]]] : []);
    case "share":
      return isNumeral(word.text) ? [{ text: share(name, word), at: word.from }] : rowsValue(`--${name}`, word);
  }
}

/** A word as a string literal. */
export function quoted(word: Word): Piece {
  return { text: JSON.stringify(word.text), at: word.from };
}

/** A word as text, or the expression that it is. */
export function textValue(word: Word): Code {
  return word.expression ? [expressionPiece(word)] : [quoted(word)];
}

/** `@file` as the rows in it, read by these rules; a variable or `${expression}` as itself. */
export function rowsValue(subject: string, word: Word, rules: RowRuleCode = []): Code {
  if (word.expression) return [expressionPiece(word)];
  if (!word.text.startsWith("@")) return [variable(`${subject} (a file is written @${word.text})`, word)];
  const path = word.text.slice(1);
  if (path === "") throw wrong(`${subject}: the file's path is missing after @.`, word);
  // Prompts are few; data to train on may be large, and is then not held in memory.
  const read = rules.some(([name]) => name === "unanswered") ? "readRows" : "loadDataset";
  return [`await ${RUNTIME}.${read}(`, { text: JSON.stringify(path), at: word.from }, ...secondArgument(rules), ")"];
}

/** `, { ... }`, or nothing. */
export const secondArgument = (rules: RowRuleCode): Code => (rules.length === 0 ? [] : [", ", ...objectLiteral(rules)]);

/** `prompt=query,response=answer` as `{ prompt: "query", response: "answer" }`; a name alone is its own column. */
function columnsValue(option: string, word: Word): Code {
  const pairs = listOf(option, word).map((pair) => {
    const [what = "", column = what, ...more] = pair.split("=").map((part) => part.trim());
    if (isTarget(what) && column !== "" && more.length === 0) return [what, column] as const;
    throw wrong(
      `--${option} says which column is what, such as prompt=query,response=answer, not "${pair}". ` +
        `A row has: ${columnTargets.join(", ")}.${suggestion(what, columnTargets)}`,
      word,
    );
  });
  const written = objectLiteral(pairs.map(([what, column]) => [what, [JSON.stringify(column)]] as const));
  return [{ text: written.join(""), at: word.from }];
}

/** Checks that the word can name a variable and returns it. */
function identifier(subject: string, word: Word): string {
  const scanner = typescript.createScanner(
    typescript.ScriptTarget.ES2022,
    false,
    typescript.LanguageVariant.Standard,
    word.text,
  );
  const token = scanner.scan();
  const isName = token === typescript.SyntaxKind.Identifier || token > typescript.SyntaxKind.LastReservedWord;
  const whole = scanner.getTextPos() === word.text.length && word.text !== "";
  if (isName && whole && !word.quoted && !word.expression) return word.text;
  throw wrong(`${subject} needs the name of a variable, got "${word.text}".`, word);
}

function variable(subject: string, word: Word): Piece {
  return { text: identifier(subject, word), at: word.from };
}

function expressionPiece(word: Word): Piece {
  return { from: word.from + 2, to: word.to - 1 };
}

function adapterName(name: string): string {
  return name === "none" ? "null" : JSON.stringify(name);
}

function listOf(name: string, word: Word): readonly string[] {
  const items = word.text.split(",").map((item) => item.trim());
  if (items.every((item) => item !== "")) return items;
  throw wrong(`--${name} is a list with commas between its items, got "${word.text}".`, word);
}

function choicesOf(name: string, choices: readonly string[], word: Word): readonly string[] {
  const items = listOf(name, word);
  const strange = items.find((item) => !choices.includes(item));
  if (strange === undefined) return items;
  const near = hint({ ...word, text: strange }, choices);
  throw wrong(`--${name}: expected some of ${choices.join(", ")}, got "${strange}".${near}`, word);
}

function isNumeral(text: string): boolean {
  return /^[+-]?(\d|\.\d)/.test(text) && Number.isFinite(Number(text));
}

function numeral(name: string, { rule }: Extract<OptionSpec, { kind: "number" }>, word: Word): string {
  const value = Number(word.text);
  if (!isNumeral(word.text) || !rule.allows(value)) {
    const remedy = rule.remedy?.(value);
    throw wrong(
      `--${name}: expected ${rule.expected}, got "${word.text}".${remedy === undefined ? "" : ` ${remedy}`}`,
      word,
    );
  }
  return /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i.test(word.text) ? word.text : String(value);
}

function share(name: string, word: Word): string {
  const value = Number(word.text);
  if (value > 0 && value < 1) return String(value);
  throw wrong(`--${name} is a share of the rows between 0 and 1, @file or a variable, not "${word.text}".`, word);
}

function hint(word: Word, choices: readonly string[]): string {
  const text = suggestion(word.text, choices);
  return text.startsWith(" Did") ? text : "";
}

function wrong(message: string, word: Word): MagicError {
  return new MagicError(message, word.from, word.to - word.from);
}
