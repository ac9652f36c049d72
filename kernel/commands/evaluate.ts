/** @file `glmlab evaluate`: answers of the base and of adapters, scored side by side; or what fine-tuning cost. */
import { EVALUATE_OPTIONS, FORGETTING } from "../../magics/define/evaluate.ts";
import { ROW_OPTIONS } from "../../magics/define/rows.ts";
import type { OptionTable } from "../../magics/option.ts";
import { loadDataset } from "../../magics/run/data.ts";
import { evaluate as evaluateRows, forgetting } from "../../magics/run/evaluate.ts";
import { scoreNames } from "../../src/scores/score.ts";
import { chosenAdapter } from "./chosen-adapters.ts";
import { type Command, pathOf, UsageError } from "./command.ts";
import { MODEL_OPTIONS, type Workplace, withModel, word } from "./loading.ts";
import { settingsAmong, withoutNotebook } from "./settings.ts";

const SUBJECT = "glmlab evaluate";

const OPTIONS: OptionTable = {
  ...withoutNotebook(EVALUATE_OPTIONS, ["to", "model"], {
    scores: { help: `How answers are scored: ${scoreNames.join(", ")}.` },
    adapters: { default: "none" },
  }),
  ...FORGETTING,
  ...MODEL_OPTIONS,
};

export const evaluate: Command = {
  options: OPTIONS,
  words: 2,
  more: [
    "DATA is a file, a folder or a glob of JSON, JSON lines, CSV or Parquet, or hub:OWNER/NAME. The table goes to standard output, --save",
    "has all answers. `glmlab evaluate MODEL --forgetting --adapters NAME` needs no data.",
  ],
  async run(values, words) {
    const name = word(SUBJECT, words, 0, "a MODEL and DATA, got nothing");
    const isForgetting = values.forgetting === true;
    if (isForgetting && words[1] !== undefined) {
      throw new UsageError(`${SUBJECT} --forgetting puts its own questions, so ${words[1]} is one word too many.`);
    }
    const named = (values.adapters as readonly string[] | undefined) ?? (isForgetting ? [] : ["none"]);
    if (isForgetting && named.every((one) => one === "none")) {
      throw new UsageError(`${SUBJECT} --forgetting: expected --adapters NAME to compare with the base, got none.`);
    }
    // Before the model, which may take minutes.
    const rows = isForgetting
      ? []
      : await loadDataset(
          pathOf(word(SUBJECT, words, 1, "DATA after the model")),
          settingsAmong(Object.keys(ROW_OPTIONS), values),
        );
    const given = settingsAmong(["max-new-tokens", "save"], values);
    return withModel(
      name,
      values,
      async (place) => {
        const [model, adapters] = [place.model, await chosen(place, named)];
        const evaluation = isForgetting
          ? await forgetting({ model, adapters, ...given })
          : await evaluateRows(rows, { model, adapters, ...settingsAmong(["scores"], values), ...given });
        // What could not be done is told in it; everything else was worth the wait.
        return evaluation.problems.length > 0 ? 1 : 0;
      },
      "",
    );
  },
};

async function chosen(
  place: Workplace,
  words: readonly string[],
): Promise<Awaited<ReturnType<typeof chosenAdapter>>[]> {
  const adapters = [];
  for (const one of words) adapters.push(await chosenAdapter(place, one));
  return adapters;
}
