/** @file How rows are read, for the magics that take data. */

import type { DatasetRules } from "../../src/index.ts";
import type { OptionSpec } from "../option.ts";

/** Every rule of the library's data sets, and no other: a missing one does not compile. */
export const ROW_OPTIONS: Readonly<Record<keyof DatasetRules, OptionSpec>> = {
  columns: {
    kind: "columns",
    help: "Which column is what: prompt=query,response=answer. No other column is read then.",
  },
  whole: {
    kind: "flag",
    help: "Make one row of a conversation, not one for each answer; with tools it always is one. ChatGLM3 and GLM-4.",
  },
};
