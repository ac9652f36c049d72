/** @file %%train: fine-tune an adapter on the cell's rows. */
import * as defaults from "../../src/api/defaults.ts";
import type { FitOptions } from "../../src/train/trainer.ts";
import { type Code, objectLiteral, printCode } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Call, Command, Expanded, Magic } from "../magic.ts";
import type { Kebab, OptionSpec, OptionTable } from "../option.ts";
import { rowsValue, textValue } from "../values.ts";
import { bodyOf, dataOf, fileOf, shownList } from "./body.ts";
import {
  declared,
  MODEL_OPTION,
  propertiesOf,
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
import { choosesMethod, METHOD_OPTIONS, methodCall, methodChoice, methodOf } from "./method.ts";

/** Where answers end, the model's files say. */
type FitOption = Kebab<Exclude<keyof FitOptions, "stop">>;

/** Every option of the library's `fit`, and no other: a missing one does not compile. */
const FIT_OPTIONS = {
  epochs: { kind: "number", rule: defaults.fit.epochs, help: "Passes over the rows." },
  lr: { kind: "number", rule: defaults.fit.lr, help: "Learning rate." },
  "batch-size": { kind: "number", rule: defaults.fit.batchSize, help: "Rows in a batch." },
  accumulate: { kind: "number", rule: defaults.fit.accumulate, help: "Batches whose gradients make one step." },
  clip: { kind: "number", rule: defaults.fit.clip, help: "Largest gradient norm; 0 turns clipping off." },
  "weight-decay": { kind: "number", rule: defaults.fit.weightDecay, help: "AdamW's weight decay." },
  scheduler: {
    kind: "choice",
    choices: ["constant", "linear", "cosine"],
    default: defaults.fit.scheduler.default,
    help: "How the learning rate goes on.",
  },
  warmup: { kind: "number", rule: defaults.fit.warmup, help: "Steps in which the learning rate rises." },
  patience: {
    kind: "number",
    rule: defaults.fit.patience,
    help: "Stop after this many epochs without a better loss; 0 never stops.",
  },
  rehearse: {
    kind: "rows",
    unanswered: true,
    help: "Rows mixed into every batch so that what the model knew stays; the base answers those without a response.",
  },
  "rehearse-per-batch": {
    kind: "number",
    rule: defaults.fit.rehearsePerBatch,
    help: "How many of them join each batch.",
  },
  "max-length": {
    kind: "number",
    rule: defaults.fit.maxLength,
    help: "Longest row in tokens; longer prompts lose their start.",
  },
  seed: { kind: "number", rule: defaults.fit.seed, help: "The same seed reproduces the run." },
} as const satisfies Readonly<Record<FitOption, OptionSpec>>;

const OPTIONS: OptionTable = {
  ...METHOD_OPTIONS,
  ...FIT_OPTIONS,
  val: { kind: "share", help: "Rows to validate on: a share of the rows, a file or a variable." },
  "no-check": { kind: "flag", help: "Do not ask what it was taught, and unrelated questions, in the end." },
  new: {
    kind: "flag",
    help: "Start again with a new adapter; what was trained under this name is kept as NAME.1, NAME.2, ...",
  },
  ...SHARE_OPTION,
  ...TO_OPTION,
  ...MODEL_OPTION,
};

const FIT_NAMES = Object.keys(FIT_OPTIONS);

function expand(call: Call): Expanded {
  const name = required(call, 0, `the name of the adapter: ${call.title} dream`);
  const method = choosesMethod(call) ? [["method", methodChoice(call)] as const] : [];
  const unchecked = call.arguments.options.has("no-check") ? [["check", ["false"]] as const] : [];
  const properties = [...method, ...settingsOf(call), ...propertiesOf(call, ["new", "share", "model"]), ...unchecked];
  return { expression: runtimeCall("train", [textValue(name), rowsOf(call)], properties), ...declared(call) };
}

/** The rows: `@file` or a variable on the magic's line, `@file` or data below it. */
function rowsOf(call: Call): Code {
  const [, word] = call.arguments.positional;
  const body = bodyOf(call);
  if (word && body !== "") {
    const message = `${call.title} has rows below it, so "${word.text}" is one source too many.`;
    throw new MagicError(message, word.from, word.to - word.from);
  }
  if (word) return rowsValue(call.title, word);
  if (body === "") {
    const where = call.body ? "JSON or JSON lines below it, or @file" : "@file or a variable after the name";
    throw new MagicError(`${call.title} needs rows to train on: ${where}.`, call.from, call.to - call.from);
  }
  return dataOf(call, { read: "readRows", parse: "parseRows" });
}

function show(call: Call): string {
  const [name, source] = call.arguments.positional;
  const variable = shownVariable(name?.text ?? "", "adapter");
  const print = (code: Code): string => printCode(code, call.source);
  const created = shownArguments(
    name ? print(textValue(name)) : "",
    print(methodCall(call, "")),
    shownObject(call, ["share"]),
  );
  const settings = print(objectLiteral(settingsOf(call)));
  const isVariable = source !== undefined && !source.text.startsWith("@");
  const body = [
    ...(isVariable ? [] : [`const rows = ${shownRows(call)};`]),
    `const ${variable} = await ${shownModel(call)}.createAdapter(${created});`,
    `for await (const event of ${variable}.fit(${shownArguments(isVariable ? print(rowsOf(call)) : "rows", settings === "{}" ? "" : settings)})) {`,
    '  if (event.type === "step") console.log(event.step, event.loss);',
    "}",
  ].join("\n");
  return shownWithImports(body, [...(isVariable ? [] : ["dataset"]), methodOf(call)]);
}

/** The settings of `fit`. */
function settingsOf(call: Call): readonly (readonly [string, Code])[] {
  const validation = call.arguments.options.get("val");
  return [...propertiesOf(call, FIT_NAMES), ...(validation ? [["validation", validation.value] as const] : [])];
}

/** Rows as the library takes them. */
function shownRows(call: Call): string {
  const body = bodyOf(call);
  const rows = body === "" || fileOf(body) !== undefined ? printCode(rowsOf(call), call.source) : shownList(body);
  return `dataset(${rows})`;
}

const command = (place: "line" | "cell"): Command => ({
  usage: place === "cell" ? "NAME [@FILE]" : "NAME @FILE|VAR",
  summary:
    place === "cell" ? "Trains on the rows below: JSON, JSON lines or @file." : "Trains on a file or a variable.",
  options: OPTIONS,
  positional: 2,
  completes: "adapter",
  ...(place === "cell" ? { text: "data" as const } : {}),
  expand,
  show,
});

export const train: Magic = {
  summary:
    "Trains an adapter: live loss chart, progress, the best values kept. Interrupting keeps the last finished step.",
  examples: [
    '%%train dream --epochs 100 --lr 5e-3\n{"prompt": "啥是梦中情炉？", "response": "..."}',
    "%%train dream --r 8 --alpha 32 --val 0.1 --patience 5\n@facts.jsonl",
    "const result = %train dream rows --rehearse others --seed 1",
  ],
  line: { "": command("line") },
  cell: { "": command("cell") },
};
