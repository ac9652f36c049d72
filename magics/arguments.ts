/** @file What is written on a magic's line, read: words in their places and options with their values. */
import type { Code } from "./code.ts";
import type { WrittenText } from "./interpolate.ts";
import type { OptionSpec } from "./option.ts";
import type { Word } from "./words.ts";

export interface GivenOption {
  readonly spec: OptionSpec;
  /** Where the option's own name is written. */
  readonly name: Word;
  /** Absent for flags. */
  readonly word?: Word;
  /** The value as TypeScript: of options that are given several times, all their values. */
  readonly value: Code;
}

/** A magic's arguments as written. */
export interface Arguments {
  readonly positional: readonly Word[];
  readonly options: ReadonlyMap<string, GivenOption>;
  /** The rest of the line, for commands that take text. */
  readonly text?: WrittenText;
}
