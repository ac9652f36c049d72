/** @file Options of the field's scripts that have another name here, or are easily misunderstood. */
import type { OptionTable } from "./option.ts";

interface Foreign {
  /** The option here that does it. */
  readonly option: string;
  readonly remedy: string;
}

const FOREIGN: Readonly<Record<string, Foreign>> = {
  freeze_module_name: {
    option: "match",
    remedy:
      "In ChatGLM-Finetuning it names what trains, and all else is frozen. Here that is --method freeze --match, with the same list: layers.27.,layers.26.",
  },
};

/** What to write instead of an option of another program, with a blank before it; undefined where the command has none. */
export function foreignOption(name: string, table: OptionTable): string | undefined {
  const foreign = Object.hasOwn(FOREIGN, name) ? FOREIGN[name] : undefined;
  return foreign && Object.hasOwn(table, foreign.option) ? ` ${foreign.remedy}` : undefined;
}
