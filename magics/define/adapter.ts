/** @file %adapter: lists, chooses, makes, saves, loads, merges and deletes adapters. */
import { type Code, printCode } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Call, Command, Magic } from "../magic.ts";
import type { OptionTable } from "../option.ts";
import { RUNTIME, textValue } from "../values.ts";
import { asWord } from "../words.ts";
import {
  declared,
  MODEL_OPTION,
  propertiesOf,
  REPLACE_OPTION,
  required,
  runtimeCall,
  SHARE_OPTION,
  shownArguments,
  shownModel,
  shownObject,
  shownVariable,
  shownWithImports,
  TO_OPTION,
} from "./common.ts";
import { METHOD_OPTIONS, methodCall, methodOf } from "./method.ts";

const list: Command = {
  usage: "",
  summary: "Lists the adapters of this notebook and the shared ones.",
  options: MODEL_OPTION,
  positional: 0,
  expand: (call) => ({ expression: runtimeCall("adapterList", [], propertiesOf(call, ["model"])) }),
  show: (call) => `console.table(await ${shownModel(call)}.adapters());`,
};

/** A command that takes an adapter's name, and maybe a folder. */
function named(
  name: string,
  summary: string,
  extra: { folder?: "optional" | "required"; options?: OptionTable; show(call: Call): string },
): Command {
  const usage = { optional: "NAME [FOLDER]", required: "NAME FOLDER", none: "NAME" }[extra.folder ?? "none"];
  return {
    usage,
    summary,
    options: { ...extra.options, ...MODEL_OPTION },
    positional: extra.folder ? 2 : 1,
    completes: "adapter",
    expand(call) {
      if (extra.folder === "required") mustNameFolder(call);
      const adapter = nameOf(call);
      const [, folder] = call.arguments.positional;
      const isOption = extra.folder === "optional" && folder;
      const values = [textValue(adapter), ...(folder && !isOption ? [textValue(folder)] : [])];
      const properties = [
        ...(isOption ? [["folder", textValue(folder)] as const] : []),
        ...propertiesOf(call, ["replace", "model"]),
      ];
      const target = extra.options && "to" in extra.options ? declared(call) : {};
      return { expression: runtimeCall(name, values, properties), ...target };
    },
    show: extra.show,
  };
}

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
  summary: "Answers with this adapter from now on; none is the base model.",
  options: MODEL_OPTION,
  positional: 1,
  completes: "adapter",
  expand(call) {
    const word = required(call, 0, "the name of an adapter, or none: %adapter use dream");
    const value: Code = word.text === "none" && !word.quoted ? [{ text: "null", at: word.from }] : textValue(word);
    return { expression: runtimeCall("adapterUse", [value], propertiesOf(call, ["model"])) };
  },
  show: (call) => `await ${shownModel(call)}.ask("...", { adapter: ${shownName(call)} });`,
};

const create: Command = {
  usage: "NAME",
  summary: "Makes an adapter; it has no effect until it is trained.",
  options: { ...METHOD_OPTIONS, ...SHARE_OPTION, ...REPLACE_OPTION, ...TO_OPTION, ...MODEL_OPTION },
  positional: 1,
  expand(call) {
    const values = [textValue(nameOf(call)), methodCall(call, `${RUNTIME}.`)];
    return {
      expression: runtimeCall("adapterNew", values, propertiesOf(call, ["share", "replace", "model"])),
      ...declared(call),
    };
  },
  show(call) {
    const config = printCode(methodCall(call, ""), call.source);
    const values = shownArguments(shownName(call), config, shownObject(call, ["share", "replace"]));
    const made = `${shownModel(call)}.createAdapter(${values})`;
    return shownWithImports(`const ${variableOf(call)} = await ${made};`, [methodOf(call)]);
  },
};

function shownName(call: Call): string {
  const [word] = call.arguments.positional;
  return word?.text === "none" && !word.quoted ? "null" : word ? printCode(textValue(word), call.source) : "";
}

function variableOf(call: Call): string {
  return shownVariable(call.arguments.positional[0]?.text ?? "", "adapter");
}

/** `const dream = await glm.adapter("dream");` and what is done with it. */
function onAdapter(call: Call, action: string): string {
  const variable = variableOf(call);
  return `const ${variable} = await ${shownModel(call)}.adapter(${shownName(call)});\nawait ${variable}.${action};`;
}

function shownFolder(call: Call): string {
  const [name, folder] = call.arguments.positional;
  return folder ? printCode(textValue(folder), call.source) : JSON.stringify(`./${name?.text ?? "adapter"}`);
}

export const adapter: Magic = {
  summary: "Adapters: lists, chooses, makes, saves, loads, merges and deletes them.",
  examples: [
    "%adapter list",
    "%adapter use dream",
    "%adapter new dream --r 8 --alpha 32 --targets query_key_value,dense",
    "%adapter save dream ./dream",
    "%adapter load dream ./dream",
  ],
  line: {
    "": list,
    list,
    use,
    new: create,
    save: named("adapterSave", "Saves an adapter as PEFT's files, in ./NAME by default.", {
      folder: "optional",
      show: (call) => onAdapter(call, `save(${shownFolder(call)})`),
    }),
    load: named("adapterLoad", "Loads an adapter from PEFT's files.", {
      folder: "required",
      options: { ...REPLACE_OPTION, ...TO_OPTION },
      show: (call) => {
        const values = shownArguments(shownName(call), shownFolder(call), shownObject(call, ["replace"]));
        return `const ${variableOf(call)} = await ${shownModel(call)}.loadAdapter(${values});`;
      },
    }),
    merge: named("adapterMerge", "Makes an adapter's effect part of the weights that this notebook sees.", {
      show: (call) => onAdapter(call, "merge()"),
    }),
    delete: named("adapterDelete", "Deletes an adapter, also from disk; files that were saved stay.", {
      show: (call) => `await ${shownModel(call)}.deleteAdapter(${shownName(call)});`,
    }),
  },
};
