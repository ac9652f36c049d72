/** @file What a magic is: commands with declared options, each of which turns what was written into TypeScript. */

import type { Arguments } from "./arguments.ts";
import type { Code } from "./code.ts";
import type { OptionTable } from "./option.ts";

/** One use of a command in a cell. */
export interface Call {
  /** The whole cell. */
  readonly source: string;
  /** The command as the user knows it ("%adapter new"), for messages. */
  readonly title: string;
  /** Where the magic's name is written. */
  readonly from: number;
  readonly to: number;
  readonly arguments: Arguments;
  /** What stands below a cell magic. */
  readonly body?: { readonly from: number; readonly to: number };
  /** True where the magic's value is used: `const answer = %chatglm ...`. */
  readonly isValue: boolean;
}

/**
 * What a use comes to: twice, as one reading of its arguments says it. What runs goes through the magics' runtime, which
 * watches, remembers and reports; what is shown is what the library does meanwhile.
 */
export interface Expanded {
  /** An expression (with its own `await`). */
  readonly expression: Code;
  /** The variable that a statement of this magic declares with the expression's value. */
  readonly declares?: Code;
  /** Statements in the library's own words, for --show-code; what they take from the runtime's namespace is the library's. */
  readonly shown: Code;
}

export interface Command {
  /** What follows the name in the usage line: "NAME", "[FOLDER]", "TEXT". */
  readonly usage: string;
  readonly summary: string;
  readonly options: OptionTable;
  /** Most words that are not options. */
  readonly positional: number;
  /** `line`: the rest of the line is text. `body`: the lines below are text. `data`: they are taken as they are. */
  readonly text?: "line" | "body" | "data";
  /**
   * What the words are, for completion. `adapter`: the first names an adapter of the current model. `sum`: it may be a sum of several.
   * `name and sum`: the second may, the first is new. `fact`, `facts`: the first, or each, is the key of a fact.
   */
  readonly completes?: "adapter" | "sum" | "name and sum" | "fact" | "facts";
  /** Throws MagicError for arguments that make no sense. */
  expand(call: Call): Expanded;
}

export interface Magic {
  readonly summary: string;
  /** Examples for --help, in full. */
  readonly examples: readonly string[];
  /** `%name`; by subcommand where it has some, "" being the one that needs no name. */
  readonly line?: Commands;
  /** `%%name`, likewise. */
  readonly cell?: Commands;
}

export type Commands = Readonly<Record<string, Command>>;
