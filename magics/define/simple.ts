/** @file The magics that only look: %params, %runtime and %lsmagic. */
import { printCode } from "../code.ts";
import type { Call, Command, Magic } from "../magic.ts";
import type { OptionTable } from "../option.ts";
import { textValue } from "../values.ts";
import { MODEL_OPTION, propertiesOf, runtimeCall, shownModel } from "./common.ts";

const PARAMS_OPTIONS = {
  all: { kind: "flag", help: "List every parameter with its shape." },
  ...MODEL_OPTION,
} as const satisfies OptionTable;

export const params: Magic = {
  summary: "How many parameters train, of how many; by default for the adapter in use.",
  examples: ["%params dream", "%params dream --all", "%params none --all"],
  line: {
    "": {
      usage: "[ADAPTER|none]",
      summary: "The summary of trainable parameters.",
      options: PARAMS_OPTIONS,
      positional: 1,
      completes: "adapter",
      expand(call) {
        const [name] = call.arguments.positional;
        const value = !name ? ["undefined"] : name.text === "none" && !name.quoted ? ["null"] : textValue(name);
        return { expression: runtimeCall("params", [value], propertiesOf(call, ["all", "model"])) };
      },
      show: shownParams,
    },
  },
};

function shownParams(call: Call): string {
  const [name] = call.arguments.positional;
  const all = call.arguments.options.has("all");
  const model = shownModel(call);
  if (!name || name.text === "none") return `console.table(${model}.info.parameters);`;
  const adapter = `const adapter = await ${model}.adapter(${printCode(textValue(name), call.source)});`;
  return `${adapter}\n${all ? "console.table(adapter.parameters());" : "console.log(adapter.summary());"}`;
}

const look = (summary: string, name: string, shown: string): Command => ({
  usage: "",
  summary,
  options: {},
  positional: 0,
  expand: () => ({ expression: runtimeCall(name, [], []) }),
  show: () => shown,
});

export const runtime: Magic = {
  summary:
    "The process that holds the weights: what is resident, for whom; the devices; its log; unloading a model; stopping it.",
  examples: ["%runtime", "%runtime devices", "%runtime logs", "%runtime unload", "%runtime stop"],
  line: {
    "": look("Shows what is resident.", "runtimeStatus", "// in a terminal:\n// glmlab runtime status"),
    status: look("Shows what is resident.", "runtimeStatus", "// in a terminal:\n// glmlab runtime status"),
    stop: look(
      "Ends the runtime; the next %model starts another.",
      "runtimeStop",
      "// in a terminal:\n// glmlab runtime stop",
    ),
    unload: {
      usage: "",
      summary: "Frees the memory of a model, for all who use it; %model loads it again. Adapters stay.",
      options: MODEL_OPTION,
      positional: 0,
      expand: (call) => ({ expression: runtimeCall("runtimeUnload", [], propertiesOf(call, ["model"])) }),
      show: (call) => `await ${shownModel(call)}.unload();`,
    },
    devices: look(
      "Shows what there is to compute on, and why something cannot be used.",
      "runtimeDevices",
      "await devices();",
    ),
    logs: look("Shows the end of its log.", "runtimeLogs", "// in a terminal:\n// glmlab runtime logs"),
  },
};

export const lsmagic: Magic = {
  summary: "Lists the magics.",
  examples: ["%lsmagic"],
  line: { "": look("Lists the magics.", "lsmagic", "// %lsmagic only prints what the magics say about themselves") },
};
