/** @file %adapter: lists, chooses, makes, saves, loads, combines, merges and deletes adapters. */
import { adapterFormats } from "../../src/adapters/formats.ts";
import { mergedForms } from "../../src/engine/engine.ts";
import type { Code } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Call, Command, Expanded, Magic } from "../magic.ts";
import type { OptionSpec, OptionTable } from "../option.ts";
import { textValue } from "../values.ts";
import { asWord } from "../words.ts";
import {
  argumentsOf,
  declared,
  MODEL_OPTION,
  modelOf,
  modelOption,
  type Properties,
  propertiesOf,
  REPLACE_OPTION,
  required,
  resultOf,
  runtimeCall,
  SHARE_OPTION,
  shownVariable,
  TO_OPTION,
} from "./common.ts";
import { METHOD_OPTIONS, methodCall } from "./method.ts";

const list: Command = {
  usage: "",
  summary: "Lists the adapters of this notebook and the shared ones.",
  options: MODEL_OPTION,
  positional: 0,
  expand: (call) => ({
    expression: runtimeCall("adapterList", [], modelOption(call)),
    shown: ["console.table(await ", ...modelOf(call), ".adapters());"],
  }),
};

/** @throws MagicError where a name or a folder is missing; which of them is given, if any, is seen from its form */
function mustNameFolder(call: Call): void {
  const [word, folder] = call.arguments.positional;
  if (folder) return;
  const isFolder = word !== undefined && !word.expression && /[/\\]|^\.+$/.test(word.text);
  const got = !word ? "neither" : isFolder ? `the folder ${word.text} without a name` : "a name without a folder";
  const stem = isFolder ? word.text.split(/[/\\]+/).findLast((part) => !/^\.*$/.test(part)) : undefined;
  const name = word && !isFolder ? call.source.slice(word.from, word.to) : asWord(stem ?? "dream");
  const at = isFolder ? call.source.slice(word.from, word.to) : `./${isPlain(name) ? name : "dream"}`;
  const what = "a name for the adapter, and the folder with PEFT's files (adapter_config.json and adapter_model.*)";
  const message = `${call.title}: expected NAME FOLDER, ${what}, got ${got}. Write: ${call.title} ${name} ${at}`;
  throw new MagicError(message, call.from, call.to - call.from);
}

const isPlain = (name: string): boolean => /^[\w.-]+$/.test(name);

function nameOf(call: Call) {
  const word = required(call, 0, `the name of an adapter: ${call.title} dream`);
  if (word.text !== "none" || word.quoted) return word;
  throw new MagicError('"none" stands for the base model and cannot name an adapter.', word.from, word.to - word.from);
}

const use: Command = {
  usage: "NAME|none",
  summary: "Answers with this adapter from now on, or with several (a+0.5*b); none is the base model.",
  options: MODEL_OPTION,
  positional: 1,
  completes: "sum",
  expand(call) {
    const word = required(call, 0, "the name of an adapter, or none: %adapter use dream");
    const value: Code = word.text === "none" && !word.quoted ? [{ text: "null", at: word.from }] : textValue(word);
    return {
      expression: runtimeCall("adapterUse", [value], modelOption(call)),
      // In code nothing is in use: every question names its adapter.
      shown: ["await ", ...modelOf(call), ".ask", ...argumentsOf([['"..."']], [["adapter", value]]), ";"],
    };
  },
};

const create: Command = {
  usage: "NAME",
  summary: "Makes an adapter; it has no effect until it is trained.",
  options: { ...METHOD_OPTIONS, ...SHARE_OPTION, ...REPLACE_OPTION, ...TO_OPTION, ...MODEL_OPTION },
  positional: 1,
  expand: (call) =>
    made(call, "adapterNew", "createAdapter", {
      values: [textValue(nameOf(call)), methodCall(call)],
      options: propertiesOf(call, ["share", "replace"]),
    }),
};

const FORMAT_OPTION: OptionTable = {
  format: {
    kind: "choice",
    choices: adapterFormats,
    help: "Of a prefix, another form: PEFT's prefix tuning, or a folder for ChatGLM's published scripts.",
  },
};

const OVER_OPTION: OptionTable = {
  replace: { kind: "flag", help: "Save also over another adapter's files, or among a model's." },
};

const save: Command = {
  ...named("NAME [FOLDER]", "Saves an adapter's files, in ./NAME by default: PEFT's where PEFT has the method."),
  options: { ...FORMAT_OPTION, ...OVER_OPTION, ...MODEL_OPTION },
  positional: 2,
  expand(call) {
    const name = nameOf(call);
    const [, folder] = call.arguments.positional;
    const given = folder && textValue(folder);
    const options = given ? [["folder", given] as const] : [];
    const how = propertiesOf(call, ["format", "replace"]);
    const usual = name.expression ? ["`./${", ...textValue(name), "}`"] : [JSON.stringify(`./${name.text}`)];
    return {
      expression: runtimeCall("adapterSave", [textValue(name)], [...options, ...how, ...modelOption(call)]),
      shown: onAdapter(call, ["save", ...argumentsOf([given ?? usual], how)]),
    };
  },
};

const load: Command = {
  ...named("NAME FOLDER", "Loads an adapter from PEFT's files."),
  options: { ...REPLACE_OPTION, ...TO_OPTION, ...MODEL_OPTION },
  positional: 2,
  expand(call) {
    mustNameFolder(call);
    const [, folder] = call.arguments.positional;
    const values = [textValue(nameOf(call)), ...(folder ? [textValue(folder)] : [])];
    return made(call, "adapterLoad", "loadAdapter", { values, options: propertiesOf(call, ["replace"]) });
  },
};

/** How a checkpoint is written. */
export const MERGE_OPTIONS: Readonly<Record<"quantized", OptionSpec>> = {
  quantized: {
    kind: "choice",
    choices: mergedForms,
    default: "dequantize",
    help: "With FOLDER, of a model in int8 or int4: write all matrices in float16, those that change in the same form again (which loses something, and says how much), or nothing.",
  },
};

const merge: Command = {
  usage: "NAME [FOLDER]",
  summary:
    "Makes an adapter's effect part of the weights that this notebook sees; with FOLDER, of a checkpoint that is written there instead (a+0.5*b, too).",
  options: { ...MERGE_OPTIONS, ...MODEL_OPTION },
  positional: 2,
  completes: "sum",
  expand(call) {
    const [name, [, folder]] = [textValue(nameOf(call)), call.arguments.positional];
    const given = call.arguments.options.get("quantized");
    if (!folder && given) {
      const message = `--quantized says how a checkpoint is written: ${call.title} ${call.arguments.positional[0]?.text ?? "dream"} ./merged --quantized ...`;
      throw new MagicError(message, given.name.from, given.name.to - given.name.from);
    }
    if (!folder) {
      return {
        expression: runtimeCall("adapterMerge", [name], modelOption(call)),
        shown: onAdapter(call, ["merge()"]),
      };
    }
    const [at, options] = [textValue(folder), propertiesOf(call, ["quantized"])];
    return {
      expression: runtimeCall("adapterWrite", [name, at], [...options, ...modelOption(call)]),
      shown: ["await ", ...modelOf(call), ".save", ...argumentsOf([at], [["adapter", name], ...options]), ";"],
    };
  },
};

const unmerge: Command = {
  ...named("NAME", "Takes a merge back; the adapter can be trained again."),
  expand: (call) => ({
    expression: runtimeCall("adapterUnmerge", [textValue(nameOf(call))], modelOption(call)),
    shown: onAdapter(call, ["unmerge()"]),
  }),
};

const combine: Command = {
  usage: "NAME SUM",
  summary: "Makes one adapter of several, which does what a sum such as a+0.5*b does.",
  options: { ...REPLACE_OPTION, ...TO_OPTION, ...MODEL_OPTION },
  positional: 2,
  completes: "name and sum",
  expand(call) {
    const name = nameOf(call);
    const sum = required(call, 1, `a sum of adapters: ${call.title} both a+0.5*b`);
    const values = [textValue(name), textValue(sum)];
    return made(call, "adapterCombine", "combine", { values, options: propertiesOf(call, ["replace"]) });
  },
};

const remove: Command = {
  ...named("NAME", "Deletes an adapter, also from disk; files that were saved stay."),
  expand(call) {
    const name = [textValue(nameOf(call))];
    return {
      expression: runtimeCall("adapterDelete", name, modelOption(call)),
      shown: ["await ", ...modelOf(call), ".deleteAdapter", ...argumentsOf(name), ";"],
    };
  },
};

/** What commands share that take the name of an adapter there is, or is to be. */
function named(usage: string, summary: string): Omit<Command, "expand"> {
  return { usage, summary, options: MODEL_OPTION, positional: 1, completes: "adapter" };
}

/** A call of the runtime that makes an adapter, and the library's own, with the same arguments. */
function made(
  call: Call,
  action: string,
  method: string,
  { values, options }: { readonly values: readonly Code[]; readonly options: Properties },
): Expanded {
  return {
    expression: runtimeCall(action, values, [...options, ...modelOption(call)]),
    ...declared(call),
    shown: [
      ...["const ", ...resultOf(call, variableOf(call)), " = await "],
      ...[...modelOf(call), `.${method}`, ...argumentsOf(values, options), ";"],
    ],
  };
}

/** `const dream = await glm.adapter("dream");` and what is done with it. */
function onAdapter(call: Call, action: Code): Code {
  const variable = variableOf(call);
  const found = [...modelOf(call), ".adapter", ...argumentsOf([textValue(nameOf(call))])];
  return [`const ${variable} = await `, ...found, `;\nawait ${variable}.`, ...action, ";"];
}

function variableOf(call: Call): string {
  return shownVariable(call.arguments.positional[0]?.text ?? "", "adapter");
}

export const adapter: Magic = {
  summary: "Adapters: lists, chooses, makes, saves, loads, combines, merges and deletes them.",
  examples: [
    "%adapter list",
    "%adapter use dream",
    "%adapter new dream --r 8 --alpha 32 --targets query_key_value,dense",
    "%adapter save dream ./dream",
    "%adapter load dream ./dream",
    "%adapter combine both dream+0.5*facts",
    "%adapter merge dream ./merged",
  ],
  line: { "": list, list, use, new: create, save, load, combine, merge, unmerge, delete: remove },
};
