/** @file `glmlab merge`: a checkpoint with an adapter merged into it. */
import { resolve } from "node:path";
import { MERGE_OPTIONS } from "../../magics/define/adapter.ts";
import type { OptionTable } from "../../magics/option.ts";
import { rewrittenNote } from "../../magics/run/adapter.ts";
import type { SaveOptions } from "../../src/index.ts";
import { chosenAdapter } from "./chosen-adapters.ts";
import type { Command } from "./command.ts";
import { MODEL_OPTIONS, withModel, word } from "./loading.ts";

const SUBJECT = "glmlab merge";

const OPTIONS: OptionTable = {
  quantized: {
    ...MERGE_OPTIONS.quantized,
    help: MERGE_OPTIONS.quantized.help.replace("With FOLDER, of", "Of"),
  },
  "max-shard-size": { kind: "text", value: "SIZE", default: "2GB", help: "Largest file of the checkpoint." },
  ...MODEL_OPTIONS,
};

export const merge: Command = {
  options: OPTIONS,
  words: 3,
  more: [
    "ADAPTER is the name of one that `glmlab train` keeps, several with weights (a+0.5*b), or a folder of adapter files.",
  ],
  async run(values, words) {
    const name = word(SUBJECT, words, 0, "a MODEL, an ADAPTER and a FOLDER to write, got nothing");
    const chosen = word(SUBJECT, words, 1, "an ADAPTER after the model: a name, or a folder of adapter files");
    const folder = word(SUBJECT, words, 2, "a FOLDER to write the merged model to");
    return withModel(name, values, async (place) => {
      const adapter = await chosenAdapter(place, chosen);
      const options = {
        adapter,
        maxShardSize: values["max-shard-size"],
        quantized: values.quantized,
      } as SaveOptions;
      const report = await place.model.save(folder, options);
      console.log(`${name} with ${chosen} merged into it is in ${resolve(folder)}`);
      process.stdout.write(rewrittenNote(place.model, report));
      return 0;
    });
  },
};
