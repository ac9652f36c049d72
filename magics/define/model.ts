/** @file %model: load a model and declare a variable for it. */

import * as defaults from "../../src/api/defaults.ts";
import { deviceChoices, precisionChoices, quantizations } from "../../src/engine/engine.ts";
import type { LoadOptions } from "../../src/index.ts";
import { families } from "../../src/models/family.ts";
import { MagicError } from "../error.ts";
import type { Call, Expanded, Magic } from "../magic.ts";
import type { OptionSpec } from "../option.ts";
import { RUNTIME, textValue } from "../values.ts";
import { argumentsOf, declared, propertiesOf, runtimeCall } from "./common.ts";

type LoadOption = Exclude<keyof LoadOptions, "signal" | "onProgress">;

export const LOAD_OPTIONS: Readonly<Record<LoadOption | "as" | "use", OptionSpec>> = {
  as: { kind: "declares", default: "glm", help: "The variable that holds the model." },
  device: {
    kind: "choice",
    choices: deviceChoices,
    default: defaults.load.device.default,
    help: "Where it computes.",
  },
  precision: {
    kind: "choice",
    choices: precisionChoices,
    default: defaults.load.precision.default,
    help: "exact meets the reference to 1e-4; fast is quicker and states its deviation; auto is exact where that fits into memory.",
  },
  quantize: {
    kind: "choice",
    choices: quantizations,
    default: defaults.load.quantize.default,
    help: "Hold the weights in fewer bits: less memory, faster, less precise.",
  },
  family: {
    kind: "choice",
    choices: families,
    help: "Which generation it is, where its files leave that open: it decides the prompt and what ends an answer.",
  },
  hub: {
    kind: "choice",
    choices: ["huggingface", "modelscope"],
    help: "The hub that NAME is an id of (default: huggingface, when there is no such folder).",
  },
  revision: { kind: "text", value: "REVISION", help: "The branch, tag or commit of a model from a hub." },
  runtime: {
    kind: "text",
    value: "auto|none|URL",
    default: "auto",
    help: "auto shares the weights with other notebooks, none keeps them in this kernel, an address is another runtime's.",
  },
  use: {
    kind: "variable",
    help: "Make a model that a cell has loaded itself the current one.",
    conflicts: ["as", "device", "precision", "quantize", "family", "hub", "revision", "runtime"],
  },
};

const LOAD_NAMES = ["device", "precision", "quantize", "family", "hub", "revision", "runtime"];

function expand(call: Call): Expanded {
  const [name] = call.arguments.positional;
  const used = call.arguments.options.get("use");
  if (used) {
    if (name) throw new MagicError("%model takes a name or --use, not both.", name.from, name.to - name.from);
    return {
      expression: runtimeCall("useModel", [used.value], []),
      shown: [...used.value, ".info; // in code there is no current model: every call names its own"],
    };
  }
  if (!name) {
    const [first] = call.arguments.options.values();
    if (first) throw new MagicError("%model needs the name of a model: %model tiny", call.from, call.to - call.from);
    return { expression: runtimeCall("currentModel", [], []), shown: ["glm.info;"] };
  }
  const variable = declared(call, "as").declares ?? ["glm"];
  const [values, options] = [[textValue(name)], propertiesOf(call, LOAD_NAMES)];
  return {
    expression: runtimeCall("model", values, options),
    ...(call.isValue ? {} : { declares: variable }),
    shown: ["const ", ...variable, ` = await ${RUNTIME}.load`, ...argumentsOf(values, options), ";"],
  };
}

export const model: Magic = {
  summary: "Loads a model and declares a variable for it; alone, says which one is loaded.",
  examples: [
    "%model tiny",
    "%model ./chatglm3-6b --device cpu --as big",
    "%model THUDM/chatglm3-6b",
    "%model ZhipuAI/chatglm3-6b --hub modelscope",
    "const small = %model tiny",
    "%model --use mine",
  ],
  line: {
    "": {
      usage: "[NAME]",
      summary: "Loads a model, declares a variable.",
      options: LOAD_OPTIONS,
      positional: 1,
      expand,
    },
  },
};
