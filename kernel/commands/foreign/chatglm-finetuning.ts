/** @file The flags of ChatGLM-Finetuning's train.py: https://github.com/liucongg/ChatGLM-Finetuning. */
import type { OptionTable } from "../../../magics/option.ts";
import type { Translated } from "../command.ts";
import { optionsAmong, Translation } from "./translation.ts";

type Type = "freeze" | "ptuning" | "lora" | "all";

/** What its types of training are called here. */
const METHODS: Readonly<Record<Type, string>> = { freeze: "freeze", ptuning: "ptuning", lora: "lora", all: "full" };
const FAMILIES: Readonly<Record<string, string>> = { glm: "chatglm-6b", glm2: "chatglm2-6b", glm3: "chatglm3-6b" };

/** A flag with its value as it stands in the command. */
interface Given {
  readonly written: string;
  readonly value: string;
}

interface Context {
  readonly into: Translation;
  /** Of the training; undefined where single flags stand among options of this program. */
  readonly type: Type | undefined;
}

interface Flag {
  /** Whether it stands alone. */
  readonly alone?: true;
  /** The only type of training that it is for. */
  readonly of?: Type;
  /** Done here by this option, with the same values. */
  readonly option?: string;
  /** What it does not do here, and why. */
  readonly nothing?: string;
  /** What it becomes otherwise. */
  read?(given: Given, context: Context): void;
  /** Its default, where that is another one here. */
  readonly default?: string;
}

/** As argparse declares them there; the defaults are its own. */
const FLAGS: Readonly<Record<string, Flag>> = {
  model_name_or_path: {},
  train_path: {},
  mode: { read: modeOf },
  train_type: { read: typeOf },
  max_len: { option: "max-length", default: "1024" },
  max_src_len: { option: "max-prompt-length", default: "256" },
  is_skip: {
    alone: true,
    read: ({ written }, { into }) =>
      into.refuse(written, "leaving out rows that are too long is not done here: they are cut, and how many is said."),
  },
  per_device_train_batch_size: { option: "batch-size", default: "16" },
  learning_rate: { option: "lr", default: "0.001" },
  weight_decay: {
    default: "0.1",
    read: ({ written, value }, { into }) =>
      into.becomes(
        written,
        "weight-decay",
        value,
        Number(value) === 0.1 ? undefined : "train.py itself always takes 0.1",
      ),
  },
  num_train_epochs: { option: "epochs", default: "1" },
  gradient_accumulation_steps: { option: "accumulate" },
  warmup_ratio: { option: "warmup", default: "0.1" },
  output_dir: {
    read: ({ written, value }, { into }) =>
      into.becomes(written, "save", value, "the adapter's files; `glmlab merge` makes a model of them"),
  },
  seed: { option: "seed", default: "1234" },
  show_loss_step: { option: "log-every", default: "10" },
  gradient_checkpointing: {
    alone: true,
    read: ({ written }, { into }) => into.becomes(written, "gradient-checkpointing"),
  },
  save_model_step: { nothing: "nothing here, an adapter is kept by itself all the time while it trains" },
  ds_file: {
    nothing:
      "nothing here, DeepSpeed divides a model among GPUs, and this is one process on one device unless --engine torchrun --zero 2 is added",
  },
  deepspeed: { alone: true, nothing: "nothing here, training runs on onnxruntime" },
  deepspeed_config: { nothing: "nothing here, training runs on onnxruntime" },
  local_rank: { nothing: "nothing here, this is one process unless --engine torchrun is added" },
  lora_dim: { of: "lora", option: "r" },
  lora_alpha: { of: "lora", option: "alpha", default: "30" },
  lora_dropout: { of: "lora", option: "dropout", default: "0.1" },
  lora_module_name: { of: "lora", option: "targets", default: "query_key_value" },
  freeze_module_name: { of: "freeze", option: "match", default: "layers.27." },
  pre_seq_len: { of: "ptuning", option: "length", default: "16" },
  prefix_projection: { of: "ptuning", read: projectionOf, default: "True" },
};

export const finetuningFlags: readonly string[] = Object.keys(FLAGS);

/**
 * Translates its flags; whatever else there is stays as it is.
 * @param isScript whether the words are those of train.py, wholly: then its defaults count
 */
export function translateFinetuning(
  subject: string,
  table: OptionTable,
  words: readonly string[],
  isScript: boolean,
): Translated {
  const { given, rest } = flagsAmong(words);
  const isWhole = isScript || given.has("train_path") || given.has("model_name_or_path");
  if (given.size === 0 && !isWhole) return { args: words, lines: [] };
  const into = new Translation(subject, table, optionsAmong(rest));
  const type = given.get("train_type")?.value ?? (isWhole ? "lora" : undefined);
  const context: Context = { into, type: isType(type) ? type : undefined };
  for (const [name, one] of given) translate(FLAGS[name] as Flag, one, context);
  if (isWhole) addDefaults(given, context);
  const { args, lines } = into.end();
  const named = (name: string): string[] => {
    const one = given.get(name);
    return one ? [one.value] : [];
  };
  const [model, data] = [named("model_name_or_path"), named("train_path")];
  return {
    args: [...model, ...(model.length > 0 ? data : []), ...rest, ...(model.length > 0 ? [] : data), ...args],
    lines,
  };
}

function translate(flag: Flag, given: Given, context: Context): void {
  const { into, type } = context;
  if (flag.of !== undefined && type !== undefined && flag.of !== type) {
    into.nothing(given.written, `nothing, it is for --train_type ${flag.of}, and this is ${type}`);
  } else if (flag.nothing !== undefined) into.nothing(given.written, flag.nothing);
  else if (flag.read) flag.read(given, context);
  else if (flag.option !== undefined) into.becomes(given.written, flag.option, given.value);
  // Among options of this program, what is for one method says which it is.
  if (flag.of !== undefined && flag.of !== "lora" && type === undefined && !into.has("method")) {
    into.becomes(given.written, "method", METHODS[flag.of]);
  }
}

/** What train.py does where its command says nothing, told in one line. */
function addDefaults(given: ReadonlyMap<string, Given>, context: Context): void {
  const { into, type } = context;
  const added = [
    ...into.default("method", METHODS[type ?? "lora"]),
    ...Object.entries(FLAGS).flatMap(([name, flag]) => {
      if (given.has(name) || flag.default === undefined || (flag.of !== undefined && flag.of !== type)) return [];
      const option = flag.option ?? OPTIONS_OF_DEFAULTS[name];
      if (option === undefined) return [];
      return into.default(option, name === "prefix_projection" ? undefined : flag.default);
    }),
    ...into.default("scheduler", "linear"),
    // Each command there begins with the published model.
    ...(into.has("resume") ? [] : into.default("new")),
    ...into.default("no-check"),
  ];
  if (added.length > 0) into.say(`As train.py does by itself: ${added.join(" ")}`);
}

/** Where a flag that is read otherwise has a default. */
const OPTIONS_OF_DEFAULTS: Readonly<Record<string, string>> = {
  weight_decay: "weight-decay",
  prefix_projection: "projection",
};

const isType = (value: string | undefined): value is Type => value !== undefined && Object.hasOwn(METHODS, value);

function typeOf({ written, value }: Given, { into }: Context): void {
  if (isType(value)) into.becomes(written, "method", METHODS[value]);
  else into.refuse(written, `expected ${Object.keys(METHODS).join(", ")}, got ${value}.`);
}

function modeOf({ written, value }: Given, { into }: Context): void {
  const family = Object.hasOwn(FAMILIES, value) ? FAMILIES[value] : undefined;
  if (family === undefined) into.refuse(written, `expected ${Object.keys(FAMILIES).join(", ")}, got ${value}.`);
  else into.becomes(written, "family", family);
  if (value === "glm3") into.becomes(written, "learn-role", undefined, "as train.py does with ChatGLM3");
}

/** argparse takes every word for true there. */
function projectionOf({ written, value }: Given, { into }: Context): void {
  const isOff = /^(?:false|0|no|none)$/i.test(value);
  if (isOff) into.nothing(written, "without a projection (train.py itself takes every word for True)");
  else into.becomes(written, "projection");
}

/** As argparse reads them: `--name value` or `--name=value`, the last of several. */
function flagsAmong(words: readonly string[]): {
  readonly given: Map<string, Given>;
  readonly rest: readonly string[];
} {
  const given = new Map<string, Given>();
  const rest: string[] = [];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    const [, name = "", inline] = /^--(\w+)(?:=(.*))?$/s.exec(word) ?? [];
    const flag = Object.hasOwn(FLAGS, name) ? FLAGS[name] : undefined;
    // Both programs have it, with the same meaning; it stays where it is, unless a default is asked for.
    if (!flag || name === "seed") {
      rest.push(word);
      continue;
    }
    const next = words[i + 1];
    const takes = inline === undefined && !flag.alone && next !== undefined && !next.startsWith("--");
    if (takes) i += 1;
    const value = inline ?? (takes ? next : "");
    given.set(name, { written: takes ? `${word} ${quotedIfBlank(value)}` : word, value });
  }
  return { given, rest };
}

const quotedIfBlank = (value: string): string => (/^[^\s]+$/.test(value) ? value : JSON.stringify(value));
