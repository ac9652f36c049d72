/** @file `glmlab train` in the words of other programs. */
import { parseArgs } from "node:util";
import type { OptionTable } from "../../../magics/option.ts";
import { type Translated, UsageError } from "../command.ts";
import { finetuningFlags, translateFinetuning } from "./chatglm-finetuning.ts";
import { translateConfig } from "./finetune-demo.ts";
import { launched } from "./launcher.ts";

export const foreignTrainOptions: readonly string[] = finetuningFlags;

/** ChatGLM-Finetuning's flags and finetune_demo's YAML as options of the table; words of our own stay as they are. */
export async function translateTrain(
  subject: string,
  table: OptionTable,
  words: readonly string[],
): Promise<Translated> {
  const { script, lines, rest } = launched(words);
  const flags = translateFinetuning(subject, table, rest, script === "train.py");
  const { positionals, options, config } = apart(table, flags.args);
  if (script !== "finetune_hf.py" && config === undefined) return { ...flags, lines: [...lines, ...flags.lines] };
  const named = config === undefined ? positionals.filter((_, i) => i !== 2) : positionals;
  const file = config ?? positionals[2];
  if (file === undefined) {
    throw new UsageError(
      `${subject}: expected DATA_DIR MODEL CONFIG after finetune_hf.py, got ${positionals.join(" ") || "nothing"}.`,
    );
  }
  const translated = await translateConfig(subject, table, file, { words: named, options });
  return { args: translated.args, lines: [...lines, ...flags.lines, ...translated.lines] };
}

interface Apart {
  readonly positionals: readonly string[];
  /** All options with their values, as words again. */
  readonly options: readonly string[];
  /** Of --config. */
  readonly config: string | undefined;
}

/** Words and options apart: which words are values, the table knows. */
function apart(table: OptionTable, args: readonly string[]): Apart {
  const types = Object.entries(table).map(([name, { kind }]) => [
    name,
    { type: kind === "flag" ? ("boolean" as const) : ("string" as const) },
  ]);
  const { tokens, positionals } = parseArgs({
    args: [...args],
    options: Object.fromEntries(types),
    allowPositionals: true,
    strict: false,
    tokens: true,
  });
  const found = tokens.flatMap((token) => (token.kind === "option" ? [token] : []));
  const config = found.find(({ name }) => name === "config");
  return {
    positionals,
    options: found
      .filter((one) => one !== config)
      .map(({ rawName, value }) => (value === undefined ? rawName : `${rawName}=${value}`)),
    config: config?.value,
  };
}
