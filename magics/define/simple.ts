/** @file The magics that only look: %params, %runtime and %lsmagic. */
import type { Code } from "../code.ts";
import type { Call, Command, Magic } from "../magic.ts";
import type { OptionTable } from "../option.ts";
import { RUNTIME, textValue } from "../values.ts";
import { argumentsOf, MODEL_OPTION, modelOf, modelOption, propertiesOf, runtimeCall } from "./common.ts";

const PARAMS_OPTIONS = {
  all: {
    kind: "flag",
    help: "List all parameters by module: shapes, types, what trains, and the memory of values, gradients and AdamW.",
  },
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
      completes: "sum",
      expand(call) {
        const [name] = call.arguments.positional;
        const isBase = name?.text === "none" && !name.quoted;
        const value = !name ? ["undefined"] : isBase ? ["null"] : textValue(name);
        return {
          expression: runtimeCall("params", [value], propertiesOf(call, ["all", "model"])),
          shown: shownParams(call, name && !isBase ? value : undefined),
        };
      },
    },
  },
};

/** Of an adapter, or else of the base: in code none is in use. */
function shownParams(call: Call, adapter: Code | undefined): Code {
  if (!adapter) return ["console.table(", ...modelOf(call), ".info.parameters);"];
  const found = ["const adapter = await ", ...modelOf(call), ".adapter", ...argumentsOf([adapter]), ";\n"];
  const isAll = call.arguments.options.has("all");
  return [...found, isAll ? "console.table(adapter.parameters());" : "console.log(adapter.summary());"];
}

const look = (summary: string, name: string, shown: string): Command => ({
  usage: "",
  summary,
  options: {},
  positional: 0,
  expand: () => ({ expression: runtimeCall(name, [], []), shown: [shown] }),
});

/** The runtime is asked from outside: the library has no calls for it. */
const ofRuntime = (summary: string, name: string, command: string): Command =>
  look(summary, name, `// in a terminal:\n// glmlab runtime ${command}`);

export const runtime: Magic = {
  summary:
    "The process that holds the weights: what is resident, for whom; the devices; its log; unloading a model; stopping it.",
  examples: ["%runtime", "%runtime devices", "%runtime logs", "%runtime unload", "%runtime stop"],
  line: {
    "": ofRuntime("Shows what is resident.", "runtimeStatus", "status"),
    status: ofRuntime("Shows what is resident.", "runtimeStatus", "status"),
    stop: ofRuntime("Ends the runtime; the next %model starts another.", "runtimeStop", "stop"),
    unload: {
      usage: "",
      summary: "Frees the memory of a model, for all who use it; %model loads it again. Adapters stay.",
      options: MODEL_OPTION,
      positional: 0,
      expand: (call) => ({
        expression: runtimeCall("runtimeUnload", [], modelOption(call)),
        shown: ["await ", ...modelOf(call), ".unload();"],
      }),
    },
    devices: look(
      "Shows what there is to compute on, and why something cannot be used.",
      "runtimeDevices",
      `await ${RUNTIME}.devices();`,
    ),
    logs: ofRuntime("Shows the end of its log.", "runtimeLogs", "logs"),
  },
};

export const lsmagic: Magic = {
  summary: "Lists the magics.",
  examples: ["%lsmagic"],
  line: { "": look("Lists the magics.", "lsmagic", "// %lsmagic only prints what the magics say about themselves") },
};
