/** @file A magic's options on a command line, and their values as the library's properties. */
import { type OptionTable, propertyOf } from "../../magics/option.ts";
import type { Values } from "./command.ts";

/** What is said of an option where there is no notebook. */
type Words = Readonly<Record<string, { readonly help?: string; readonly default?: string }>>;

/** A magic's options without those that make sense in a notebook only. */
export function withoutNotebook(table: OptionTable, leftOut: readonly string[], words: Words = {}): OptionTable {
  const kept = Object.entries(table).filter(([option]) => !leftOut.includes(option));
  return Object.fromEntries(kept.map(([option, spec]) => [option, { ...spec, ...words[option] }]));
}

/** Those of a table's options that are given, under the names of their properties. */
export function settingsAmong(options: readonly string[], values: Values): Readonly<Record<string, unknown>> {
  const given = options.filter((option) => values[option] !== undefined);
  return Object.fromEntries(given.map((option) => [propertyOf(option), values[option]]));
}
