/** @file `glmlab params`: how many parameters a method trains, of how many. */
import { METHOD_OPTIONS } from "../../magics/define/method.ts";
import { LOAD_OPTIONS } from "../../magics/define/model.ts";
import type { OptionTable } from "../../magics/option.ts";
import { parameterTable } from "../../magics/render/parameter-table.ts";
import { renderTable } from "../../magics/render/table.ts";
import { parameterGroups, totalMemory } from "../../src/api/parameter-groups.ts";
import { type AdapterConfig, type CountedParameters, type CountOptions, countParameters } from "../../src/index.ts";
import { type Command, UsageError, type Values } from "./command.ts";
import { methodOfValues } from "./method.ts";

const SUBJECT = "glmlab params";

/** Those of loading that matter here. */
const MODEL_NAMES = ["quantize", "family", "hub", "revision"] as const;
const MODEL_OPTIONS: OptionTable = Object.fromEntries(MODEL_NAMES.map((name) => [name, LOAD_OPTIONS[name]]));

export const params: Command = {
  options: {
    ...METHOD_OPTIONS,
    ...MODEL_OPTIONS,
    all: {
      kind: "flag",
      help: "List all parameters by module: shapes, types, what trains, and the memory of values, gradients and AdamW.",
    },
    json: { kind: "flag", help: "Print JSON; sizes are bytes." },
  },
  words: 1,
  more: [
    "MODEL is tiny, a folder with a config.json, the path of such a file, or a model's id on a hub (owner/name), of which that",
    "file alone is fetched. `glmlab params THUDM/chatglm3-6b --r 8` prints what PEFT prints.",
  ],
  async run(values, [name]) {
    if (name === undefined) {
      throw new UsageError(`${SUBJECT}: expected a MODEL: a folder, the path of a config.json, or a hub's id.`);
    }
    const method = methodOfValues(SUBJECT, values);
    const options = Object.fromEntries(MODEL_NAMES.map((option) => [option, values[option]])) as CountOptions;
    const counted = await countParameters(name, method, options);
    if (counted.note !== undefined) console.error(counted.note);
    console.log(values.json === true ? json(name, method, counted, values) : text(counted, values));
    return 0;
  },
};

function text({ summary, base, adapter }: CountedParameters, { all }: Values): string {
  const caption = String(summary);
  if (all !== true) return caption;
  return String(renderTable(parameterTable({ base, adapter, all: summary.all, caption }))["text/plain"]);
}

function json(
  name: string,
  method: AdapterConfig,
  { summary, base, adapter, config, note }: CountedParameters,
  { all }: Values,
): string {
  const groups = parameterGroups(base, adapter);
  const told = {
    model: name,
    family: config.family,
    note,
    method,
    trainable: summary.trainable,
    all: summary.all,
    percent: summary.percent,
    summary: String(summary),
    memory: totalMemory(groups),
    groups: all === true ? groups : undefined,
  };
  return JSON.stringify(told, null, 2);
}
