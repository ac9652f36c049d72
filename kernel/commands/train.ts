/** @file `glmlab train`: fine-tunes an adapter, in its own words or in those of the field's scripts. */
import { ROW_OPTIONS } from "../../magics/define/rows.ts";
import { FIT_NAMES, TRAIN_OPTIONS } from "../../magics/define/train.ts";
import type { OptionTable } from "../../magics/option.ts";
import { loadDataset } from "../../magics/run/data.ts";
import { type FitSettings, readRows } from "../../src/index.ts";
import { adapterNameOf } from "./chosen-adapters.ts";
import { type Command, pathOf, UsageError, type Values } from "./command.ts";
import { dryRun } from "./dry-run.ts";
import { foreignTrainOptions, translateTrain } from "./foreign/train-words.ts";
import { MODEL_OPTIONS, withModel, word } from "./loading.ts";
import { choiceOfValues } from "./method.ts";
import { settingsAmong, withoutNotebook } from "./settings.ts";
import { detachedValues, trainedDetached } from "./train-detached.ts";
import { LOG_EVERY, mustBeSavable, type Run, SAVE_OPTIONS, TRAIN, trained } from "./train-run.ts";

const OPTIONS: OptionTable = {
  adapter: {
    kind: "text",
    value: "NAME",
    default: "the name of --save's folder",
    help: "The adapter, which is kept under this name for other commands; one that is there trains on.",
  },
  ...SAVE_OPTIONS,
  "dry-run": {
    kind: "flag",
    conflicts: ["detach"],
    help: "Train nothing: say how much trains, memory and time, measured in a few steps.",
  },
  ...withoutNotebook(TRAIN_OPTIONS, ["to", "model"], {
    detach: {
      help: "Train in the runtime, which goes on when the terminal is closed: `glmlab train attach` shows it.",
    },
    val: { help: "Rows to validate on: a share of the rows, or a file." },
    "total-step": { help: "With --method adalora: steps of a loop by hand; a run knows its own." },
  }),
  ...LOG_EVERY,
  config: { kind: "text", value: "FILE", help: "A YAML file of finetune_demo: lora.yaml, ptuning_v2.yaml, sft.yaml." },
  ...MODEL_OPTIONS,
};

export const train: Command = {
  options: OPTIONS,
  words: 2,
  foreign: {
    options: foreignTrainOptions,
    translate: (words) => translateTrain(TRAIN, OPTIONS, words),
  },
  more: [
    "DATA is a file, a folder or a glob of JSON, JSON lines, CSV or Parquet, or hub:OWNER/NAME. Also understood, each word with a line that",
    "says what it became:",
    "  glmlab train [deepspeed] train.py --train_path DATA --model_name_or_path MODEL --train_type lora ...   (ChatGLM-Finetuning)",
    "  glmlab train --config lora.yaml DATA_DIR MODEL, glmlab train finetune_hf.py DATA_DIR MODEL lora.yaml   (finetune_demo)",
    "With --detach, --runtime is auto unless it is an address. What shows, ends and lists such runs:",
    "  glmlab train attach MODEL NAME, glmlab train stop MODEL NAME, glmlab train runs MODEL",
    "Ctrl-C finishes the step and keeps it. Exit codes: 0 done, 1 failed, 2 not understood, 130 interrupted.",
  ],
  async run(given, words) {
    const isDetached = given.detach === true;
    const values = isDetached ? detachedValues(given) : given;
    const modelName = word(TRAIN, words, 0, "a MODEL and DATA, got nothing");
    const data = pathOf(word(TRAIN, words, 1, "DATA after the model"));
    const { save, adapter } = values as { readonly save?: string; readonly adapter?: string };
    const name = adapter ?? (save === undefined ? undefined : adapterNameOf(save));
    if (name === undefined) throw new UsageError(`${TRAIN}: expected --adapter NAME or --save FOLDER, got neither.`);
    const method = choiceOfValues(TRAIN, values);
    // Before the model, which may take minutes.
    const rows = await loadDataset(data, settingsAmong(Object.keys(ROW_OPTIONS), values));
    const settings = await fitSettings(values);
    if (values["dry-run"] !== true) await mustBeSavable(TRAIN, name, values);
    return withModel(modelName, values, async (place) => {
      const run: Run = { name, rows, settings, method, values };
      if (isDetached) return trainedDetached(place, run, modelName);
      return values["dry-run"] === true ? dryRun(place, run) : trained(place, run);
    });
  },
};

async function fitSettings(values: Values): Promise<FitSettings> {
  const { rehearse, ...given } = settingsAmong(FIT_NAMES, values);
  const rules = settingsAmong(Object.keys(ROW_OPTIONS), values);
  const { val } = values;
  const validation = typeof val === "string" ? await loadDataset(val, rules) : (val as number | undefined);
  return {
    ...given,
    ...(rehearse === undefined ? {} : { rehearse: await readRows(String(rehearse), { unanswered: true }) }),
    ...(validation === undefined ? {} : { validation }),
  };
}
