/** @file %%train: fine-tune an adapter on the cell's rows. */
import * as defaults from "../../src/api/defaults.ts";
import type { FitOptions } from "../../src/train/fit-options.ts";
import { monitors } from "../../src/train/monitor.ts";
import type { Code } from "../code.ts";
import type { Call, Command, Expanded, Magic } from "../magic.ts";
import type { Kebab, OptionSpec, OptionTable } from "../option.ts";
import { rowsValue, textValue } from "../values.ts";
import {
  argumentsOf,
  declared,
  MODEL_OPTION,
  modelOf,
  modelOption,
  type Properties,
  propertiesOf,
  required,
  runtimeCall,
  SHARE_OPTION,
  shownVariable,
  TO_OPTION,
} from "./common.ts";
import { JOB_OPTIONS } from "./job.ts";
import { METHOD_OPTIONS, methodCall, methodChoice, methodOption } from "./method.ts";
import { isRowsVariable, ROW_OPTIONS, rowRules, rowsOf, shownRows } from "./rows.ts";

/** Where answers end, the model's files say. */
type FitOption = Kebab<Exclude<keyof FitOptions, "stop">>;

/** Every option of the library's `fit`, and no other: a missing one does not compile. */
export const FIT_OPTIONS: Readonly<Record<FitOption, OptionSpec>> = {
  epochs: { kind: "number", rule: defaults.fit.epochs, help: "Passes over the rows." },
  "max-steps": {
    kind: "number",
    rule: defaults.fit.maxSteps,
    help: "Steps after which it ends, however many epochs that are; 0 leaves it to --epochs.",
  },
  lr: { kind: "number", rule: defaults.fit.lr, help: "Learning rate." },
  "batch-size": { kind: "number", rule: defaults.fit.batchSize, help: "Rows in a batch." },
  accumulate: { kind: "number", rule: defaults.fit.accumulate, help: "Batches whose gradients make one step." },
  "mix-lengths": {
    kind: "flag",
    help: "Rows of any lengths make a batch; without it, those of like lengths do, which pads less.",
  },
  "gradient-checkpointing": {
    kind: "flag",
    help: "Compute the layers' inner values again going back, rather than keep them: less memory, more time.",
  },
  clip: { kind: "number", rule: defaults.fit.clip, help: "Largest gradient norm; 0 turns clipping off." },
  "weight-decay": { kind: "number", rule: defaults.fit.weightDecay, help: "AdamW's weight decay." },
  scheduler: {
    kind: "choice",
    choices: ["constant", "linear", "cosine"],
    default: defaults.fit.scheduler.default,
    help: "How the learning rate goes on.",
  },
  warmup: {
    kind: "number",
    rule: defaults.fit.warmup,
    help: "Steps in which the learning rate rises; below 1, a share of all steps.",
  },
  "validate-every": {
    kind: "number",
    rule: defaults.fit.validateEvery,
    help: "Steps from one validation to the next; 0 validates after each epoch.",
  },
  monitor: {
    kind: "choice",
    choices: monitors,
    value: "SCORE",
    default: defaults.fit.monitor.default,
    help: `What says which values are the best, on the rows of --val: ${monitors.join(", ")}.`,
  },
  patience: {
    kind: "number",
    rule: defaults.fit.patience,
    help: "Stop after this many validations (without --val: epochs) that are no better; 0 never stops.",
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
  "max-prompt-length": {
    kind: "number",
    rule: defaults.fit.maxPromptLength,
    help: "Longest prompt in tokens; 0 leaves it what the answer leaves.",
  },
  "learn-role": {
    kind: "flag",
    help: "Learn <|assistant|>, too, as ChatGLM-Finetuning does; finetune_demo does not.",
  },
  seed: { kind: "number", rule: defaults.fit.seed, help: "The same seed reproduces the run." },
};

export const TRAIN_OPTIONS: OptionTable = {
  ...METHOD_OPTIONS,
  ...FIT_OPTIONS,
  ...JOB_OPTIONS,
  ...ROW_OPTIONS,
  val: { kind: "share", help: "Rows to validate on: a share of the rows, a file or a variable." },
  "no-check": { kind: "flag", help: "Do not ask what it was taught, and unrelated questions, in the end." },
  new: {
    kind: "flag",
    help: "Start again with a new adapter; what was trained under this name is kept as NAME.1, NAME.2, ...",
  },
  resume: {
    kind: "flag",
    conflicts: ["new"],
    help: "Go on with its run before, of the same rows and options, to the losses that it would have come to; without one, begin.",
  },
  detach: {
    kind: "flag",
    help: "Train in the runtime (a job: in its processes), which goes on when the notebook is closed: %train attach NAME shows it.",
  },
  ...SHARE_OPTION,
  ...TO_OPTION,
  ...MODEL_OPTION,
};

/** Where the rows stand on the line: after the adapter's name. */
const ROWS = 1;

export const FIT_NAMES: readonly string[] = [...Object.keys(FIT_OPTIONS), ...Object.keys(JOB_OPTIONS), "resume"];

function expand(call: Call): Expanded {
  const name = required(call, 0, `the name of the adapter: ${call.title} dream`);
  const [adapter, rows, settings] = [textValue(name), rowsOf(call, ROWS, "to train on"), settingsOf(call)];
  const detached = call.arguments.options.has("detach");
  const unchecked = call.arguments.options.has("no-check") && !detached ? [["check", ["false"]] as const] : [];
  const own = [...propertiesOf(call, ["new", "share", "model"]), ...unchecked];
  const created = argumentsOf([adapter, methodCall(call)], propertiesOf(call, ["share"]));
  return {
    expression: runtimeCall(
      detached ? "trainDetached" : "train",
      [adapter, rows],
      [...methodOption(methodChoice(call)), ...settings, ...own],
    ),
    ...declared(call),
    shown: shownTraining(call, shownVariable(name.text, "adapter"), { created, rows, settings }),
  };
}

/** How a new adapter is trained; the magic trains on one that exists, watches, and asks afterwards. */
function shownTraining(
  call: Call,
  adapter: string,
  { created, rows, settings }: { readonly created: Code; readonly rows: Code; readonly settings: Properties },
): Code {
  const fitted = argumentsOf([isRowsVariable(call, ROWS) ? rows : ["rows"]], settings);
  return [
    ...shownRows(call, ROWS, rows),
    ...[`const ${adapter} = await `, ...modelOf(call), ".createAdapter", ...created, ";\n"],
    ...(call.arguments.options.has("detach")
      ? [`await ${adapter}.startFit`, ...fitted, ";"]
      : [
          ...[`for await (const event of ${adapter}.fit`, ...fitted, ") {\n"],
          '  if (event.type === "step") console.log(event.step, event.loss);\n',
          "}",
        ]),
  ];
}

/** The settings of `fit`. */
function settingsOf(call: Call): Properties {
  const validation = call.arguments.options.get("val");
  const { word } = validation ?? {};
  // A file to validate on is read as that to train on.
  const isFile = word !== undefined && !word.expression && word.text.startsWith("@");
  const value = isFile ? rowsValue("--val", word, rowRules(call)) : validation?.value;
  return [...propertiesOf(call, FIT_NAMES), ...(value ? [["validation", value] as const] : [])];
}

const command = (place: "line" | "cell"): Command => ({
  usage: place === "cell" ? "NAME [@FILE]" : "NAME @FILE|VAR",
  summary:
    place === "cell" ? "Trains on the rows below: JSON, JSON lines or @file." : "Trains on a file or a variable.",
  options: TRAIN_OPTIONS,
  positional: 2,
  completes: "adapter",
  ...(place === "cell" ? { text: "data" as const } : {}),
  expand,
});

/** A command about the run of one adapter. */
const ofRun = (summary: string, name: string, shown: Code): Command => ({
  usage: "NAME",
  summary,
  options: { ...TO_OPTION, ...MODEL_OPTION },
  positional: 1,
  completes: "adapter",
  expand(call) {
    const adapter = textValue(required(call, 0, `the name of the adapter: ${call.title} dream`));
    return {
      expression: runtimeCall(name, [adapter], modelOption(call)),
      ...declared(call),
      shown: ["const adapter = await ", ...modelOf(call), ".adapter", ...argumentsOf([adapter]), ";\n", ...shown],
    };
  },
});

export const train: Magic = {
  summary:
    "Trains an adapter: live loss chart, progress, the best values kept. Interrupting keeps the last finished step.",
  examples: [
    '%%train dream --epochs 100 --lr 5e-3\n{"prompt": "啥是梦中情炉？", "response": "..."}',
    "%%train dream --r 8 --alpha 32 --val 0.1 --patience 5\n@facts.jsonl",
    "%%train dream --columns prompt=query,response=answer --max-length 512\n@data/*.parquet",
    "const result = %train dream rows --rehearse others --seed 1",
    "%%train dream --epochs 100 --detach\n@facts.jsonl",
    "%train attach dream",
  ],
  line: {
    "": command("line"),
    attach: ofRun("Shows an adapter's run from its start, until it is over.", "trainAttach", [
      "for await (const event of adapter.attach()) console.log(event);",
    ]),
    stop: ofRun("Ends an adapter's run after its step, which is kept.", "trainStop", ["await adapter.stopFit();"]),
    runs: {
      usage: "",
      summary: "Lists the runs of the adapters that this notebook sees.",
      options: MODEL_OPTION,
      positional: 0,
      expand: (call) => ({
        expression: runtimeCall("trainRuns", [], modelOption(call)),
        shown: [
          ...["for (const { name } of await ", ...modelOf(call), ".adapters()) {\n"],
          ...["  console.log(await (await ", ...modelOf(call), ".adapter(name)).run());\n}"],
        ],
      }),
    },
  },
  cell: { "": command("cell") },
};
