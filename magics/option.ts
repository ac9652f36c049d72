/** @file How a magic's options are declared: once, as a table, from which parsing, help and completion derive. */
import type { OptionRule } from "../src/options.ts";

interface Described {
  readonly help: string;
  /** As --help shows it, where no rule says it. */
  readonly default?: string;
  /** Options that contradict this one. */
  readonly conflicts?: readonly string[];
}

export type OptionSpec = Described &
  (
    | { readonly kind: "flag" }
    /** Bounds and default are the library's own. */
    | { readonly kind: "number"; readonly rule: OptionRule<number> }
    /** `value` names the value where there are too many choices to be its name. */
    | { readonly kind: "choice"; readonly choices: readonly string[]; readonly value?: string }
    /** Several of them, comma-separated. */
    | { readonly kind: "choices"; readonly choices: readonly string[] }
    /** `value` names the value in the help: FOLDER, TEXT. */
    | { readonly kind: "text"; readonly value: string }
    /** Given as often as there are values. */
    | { readonly kind: "texts"; readonly value: string }
    /** Comma-separated. */
    | { readonly kind: "list"; readonly value: string }
    /** The same, or one regular expression, or a word that stands for a list. */
    | { readonly kind: "names"; readonly value: string; readonly words: readonly string[] }
    /** An adapter of the current model; `none` is the base model. */
    | { readonly kind: "adapter" }
    | { readonly kind: "adapters" }
    /** A knowledge book of the current model. */
    | { readonly kind: "book" }
    /** A variable that the magic declares. */
    | { readonly kind: "declares" }
    /** A variable of the notebook, or any expression as `${...}`. */
    | { readonly kind: "variable" }
    /** Which column is what: prompt=query,response=answer. */
    | { readonly kind: "columns" }
    /** Rows: `@file`, or a variable; `unanswered` ones may be prompts without a response. */
    | { readonly kind: "rows"; readonly unanswered?: boolean }
    /** A share of the rows, or rows. */
    | { readonly kind: "share" }
  );

export type OptionTable = Readonly<Record<string, OptionSpec>>;

/** A camelCase property's name as an option: maxNewTokens -> "max-new-tokens". */
export type Kebab<S extends string> = S extends `${infer Head}${infer Tail}`
  ? Tail extends Uncapitalize<Tail>
    ? `${Lowercase<Head>}${Kebab<Tail>}`
    : `${Lowercase<Head>}-${Kebab<Tail>}`
  : S;

/** The property that an option sets: "max-new-tokens" -> maxNewTokens. */
export function propertyOf(option: string): string {
  return option.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** The option that sets a property: maxNewTokens -> "max-new-tokens". */
export function optionOf(property: string): string {
  return property.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** What stands for the option's value in the help and in errors. */
export function placeholder(spec: OptionSpec): string {
  switch (spec.kind) {
    case "flag":
      return "";
    case "number":
      return "N";
    case "choice":
      return spec.value ?? spec.choices.join("|");
    case "choices":
      return `${spec.choices[0]},...`;
    case "text":
    case "texts":
      return spec.value;
    case "list":
      return `${spec.value},...`;
    case "names":
      return `${spec.value},...|PATTERN`;
    case "adapter":
      return "ADAPTER|none";
    case "adapters":
      return "A,B,none";
    case "book":
      return "BOOK";
    case "declares":
    case "variable":
      return "VAR";
    case "columns":
      return "WHAT=COLUMN,...";
    case "rows":
      return "@FILE|VAR";
    case "share":
      return "SHARE|@FILE|VAR";
  }
}

/** Whether each use adds a value. */
export function isRepeatable(spec: OptionSpec): boolean {
  return spec.kind === "texts";
}

/** Whether a value of `names` is a word of its own or a pattern, rather than names: no name has what a pattern is made of, but for dots. */
export const isPattern = (text: string, words: readonly string[]): boolean =>
  words.includes(text) || /[*+?()[\]{}|\\^$]/.test(text);

/** The option's default as --help shows it: the library's. */
export function defaultOf(spec: OptionSpec): string | undefined {
  return (
    spec.default ?? (spec.kind === "number" && spec.rule.default !== undefined ? String(spec.rule.default) : undefined)
  );
}
