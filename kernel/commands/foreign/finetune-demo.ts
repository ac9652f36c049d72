/** @file The YAML of finetune_demo, and how finetune_hf.py is called: https://github.com/THUDM/ChatGLM3/tree/main/finetune_demo. */
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { parseDocument } from "yaml";
import type { OptionTable } from "../../../magics/option.ts";
import { shownJson } from "../../../src/describe.ts";
import { type CountOptions, countParameters, full, GlmError } from "../../../src/index.ts";
import { readText } from "../../../src/regular-file.ts";
import { suggestion } from "../../../src/suggestion.ts";
import { type Translated, UsageError } from "../command.ts";
import { optionsAmong, Translation, valueAmong } from "./translation.ts";

type Section = Readonly<Record<string, unknown>>;

/** What one key becomes. */
interface Key {
  /** Done here by this option, with the same values. */
  readonly option?: string;
  /** What it does not do here, and why. */
  readonly nothing?: string;
  /** The values with which it does nothing; all others are refused. */
  readonly only?: { readonly values: readonly unknown[]; readonly why: string };
  read?(value: unknown, written: string, context: Context): void;
}

interface Context {
  readonly into: Translation;
  /** Where the data lie. */
  readonly folder: string;
  /** The section that the key is in. */
  readonly section: Section;
}

const here = "nothing here";
const DATA: Readonly<Record<string, Key>> = {
  train_file: {},
  val_file: {
    read: (value, written, { into, folder }) => {
      if (value !== null) into.becomes(written, "val", join(folder, String(value)));
    },
  },
  test_file: {
    read: (value, written, { into, folder }) =>
      into.nothing(
        written,
        `not scored by itself: glmlab evaluate MODEL ${join(folder, String(value))} --adapters NAME`,
      ),
  },
  num_proc: { nothing: `${here}, rows are read as a stream` },
};

const kept = `${here}, an adapter is kept by itself all the time while it trains`;
const scored = `${here}, answers are scored by --monitor while it trains, and by glmlab evaluate`;
const precise = `${here}, it is computed in float32, or as --quantize says`;
const oneProcess = `${here}, this is one process on one device unless --engine torchrun is added`;

/** Of transformers' Seq2SeqTrainingArguments. */
const TRAINING: Readonly<Record<string, Key>> = {
  output_dir: { option: "save" },
  overwrite_output_dir: { nothing: here },
  max_steps: {
    read: (value, written, { into }) => {
      // Of transformers, -1: none.
      if (value === null || Number(value) <= 0) into.nothing(written, "none, num_train_epochs says how long");
      else into.becomes(written, "max-steps", String(value));
    },
  },
  num_train_epochs: { option: "epochs" },
  learning_rate: { option: "lr" },
  weight_decay: { option: "weight-decay" },
  max_grad_norm: { option: "clip" },
  lr_scheduler_type: {
    read: (value, written, { into }) => {
      const scheduler = value === "constant_with_warmup" ? "constant" : value;
      if (["linear", "cosine", "constant"].includes(String(scheduler))) {
        into.becomes(written, "scheduler", String(scheduler));
      } else into.refuse(written, "expected linear, cosine, constant or constant_with_warmup.");
    },
  },
  warmup_ratio: {
    read: (value, written, { into, section }) => {
      if (Number(section.warmup_steps ?? 0) > 0) into.nothing(written, "nothing, warmup_steps counts");
      else into.becomes(written, "warmup", String(value));
    },
  },
  warmup_steps: {
    read: (value, written, { into, section }) => {
      if (Number(value) === 0 && section.warmup_ratio !== undefined) into.nothing(written, "none, warmup_ratio counts");
      else into.becomes(written, "warmup", String(value));
    },
  },
  per_device_train_batch_size: { option: "batch-size" },
  gradient_accumulation_steps: { option: "accumulate" },
  seed: { option: "seed" },
  gradient_checkpointing: { read: flag("gradient-checkpointing") },
  evaluation_strategy: { read: evaluationStrategy },
  eval_strategy: { read: evaluationStrategy },
  eval_steps: {
    read: (value, written, { into, section }) => {
      const strategy = section.evaluation_strategy ?? section.eval_strategy;
      if (strategy === "steps") into.becomes(written, "validate-every", String(value));
      else into.nothing(written, "nothing, evaluation_strategy is not steps");
    },
  },
  per_device_eval_batch_size: { nothing: `${here}, rows to validate on come in batches of --batch-size` },
  do_eval: { nothing: `${here}, rows of val_file are validated on` },
  do_train: { nothing: here },
  do_predict: { nothing: scored },
  predict_with_generate: { nothing: scored },
  generation_config: { nothing: scored },
  generation_max_length: { nothing: scored },
  generation_num_beams: { nothing: scored },
  load_best_model_at_end: { nothing: `${here}, with rows to validate on the best values are kept` },
  metric_for_best_model: {
    read: (value, written, { into }) => into.becomes(written, "monitor", String(value).replace(/^eval_/, "")),
  },
  greater_is_better: { nothing: `${here}, each score knows` },
  logging_steps: {
    read: (value, written, { into, section }) => {
      const strategy = section.logging_strategy ?? "steps";
      if (strategy === "steps" && Number.isInteger(value)) into.becomes(written, "log-every", String(value));
      else
        into.nothing(
          written,
          strategy === "steps" ? "not a number of steps" : "nothing, logging_strategy is not steps",
        );
    },
  },
  logging_strategy: { nothing: `${here}, --log-every says how often; the end of an epoch is always told` },
  logging_first_step: { nothing: `${here}, the first step is always told` },
  logging_dir: { nothing: `${here}, metrics lie beside the adapter` },
  log_level: { nothing: here },
  report_to: { nothing: `${here}, metrics lie beside the adapter` },
  run_name: { nothing: here },
  disable_tqdm: { nothing: `${here}, a bar is shown in a terminal only` },
  save_strategy: { nothing: kept },
  save_steps: { nothing: kept },
  save_total_limit: { nothing: kept },
  save_safetensors: { nothing: `${here}, adapters are safetensors` },
  save_only_model: { nothing: here },
  resume_from_checkpoint: { read: flag("resume") },
  use_cpu: {
    read: (value, written, { into }) => {
      if (value === true) into.becomes(written, "device", "cpu");
      else into.nothing(written, "left to --device auto: a GPU that has the memory, else the processor");
    },
  },
  no_cuda: {
    read: (value, written, { into }) => {
      if (value === true) into.becomes(written, "device", "cpu");
      else into.nothing(written, "left to --device auto");
    },
  },
  fp16: { nothing: precise },
  bf16: { nothing: precise },
  tf32: { nothing: precise },
  deepspeed: { nothing: `${oneProcess}, and DeepSpeed divides a model among several` },
  fsdp: { only: { values: ["", false, null], why: oneProcess } },
  local_rank: { nothing: oneProcess },
  ddp_find_unused_parameters: { nothing: oneProcess },
  ddp_backend: { nothing: oneProcess },
  dataloader_num_workers: { nothing: `${here}, rows are encoded before the first step` },
  dataloader_pin_memory: { nothing: here },
  dataloader_drop_last: { only: { values: [false], why: "the last batch is always trained on" } },
  remove_unused_columns: { nothing: `${here}, a key that means something and is not used is an error` },
  group_by_length: {
    read: (value, written, { into }) =>
      into.nothing(written, value === true ? "rows of like lengths share batches here by themselves" : here),
  },
  optim: {
    only: {
      values: ["adamw_torch", "adamw_hf", "adamw_torch_fused"],
      why: "the optimiser is AdamW",
    },
  },
  adam_beta1: { only: { values: [0.9], why: "AdamW's first decay is 0.9" } },
  adam_beta2: { only: { values: [0.999], why: "AdamW's second decay is 0.999" } },
  adam_epsilon: { only: { values: [1e-8], why: "AdamW's epsilon is 1e-8" } },
  label_smoothing_factor: { only: { values: [0], why: "labels are not smoothed" } },
  neftune_noise_alpha: { only: { values: [null], why: "no noise is added to embeddings" } },
  debug: { only: { values: ["", null], why: "a loss that is not finite stops the run by itself" } },
  push_to_hub: { only: { values: [false], why: "nothing is uploaded" } },
};

/** Of PEFT's configurations, for both methods that finetune_hf.py knows. */
const PEFT: Readonly<Record<string, Key>> = {
  peft_type: {
    read: (value, written, { into }) => {
      const method = { LORA: "lora", PREFIX_TUNING: "ptuning" }[String(value)];
      if (method !== undefined) into.becomes(written, "method", method);
      else into.refuse(written, "expected LORA or PREFIX_TUNING, as finetune_hf.py does; --method has all methods.");
    },
  },
  task_type: { only: { values: ["CAUSAL_LM", null], why: "models here are causal ones" } },
  inference_mode: { only: { values: [false], why: "it trains" } },
  base_model_name_or_path: { nothing: `${here}, MODEL says it` },
  revision: { nothing: `${here}, --revision says it` },
  r: { option: "r" },
  lora_alpha: { option: "alpha" },
  lora_dropout: { option: "dropout" },
  target_modules: {
    read: (value, written, { into }) => {
      if (value === null) into.nothing(written, "query_key_value, as in PEFT");
      else into.becomes(written, "targets", Array.isArray(value) ? value.join(",") : String(value));
    },
  },
  bias: { option: "bias" },
  use_rslora: { read: flag("rank-stabilized") },
  use_dora: { read: flag("dora") },
  modules_to_save: {
    read: (value, written, { into }) => {
      if (Array.isArray(value) && value.length > 0) into.becomes(written, "modules-to-save", value.join(","));
      else into.nothing(written, "none");
    },
  },
  init_lora_weights: {
    read: (value, written, { into }) => {
      if (value === true) into.becomes(written, "init", "kaiming");
      else if (value === "gaussian") into.becomes(written, "init", "gaussian");
      else into.refuse(written, "expected true or gaussian.");
    },
  },
  fan_in_fan_out: { only: { values: [false], why: "ChatGLM's layers are not transposed" } },
  num_virtual_tokens: { option: "length" },
  num_attention_heads: { nothing: `${here}, it is the model's; finetune_hf.py does not read it either` },
  token_dim: { nothing: `${here}, it is the model's; finetune_hf.py does not read it either` },
  num_layers: { nothing: `${here}, it is the model's` },
  prefix_projection: {
    only: { values: [false, null], why: "finetune_hf.py does not read it; --projection makes a projection" },
  },
};

const TOP: readonly string[] = ["data_config", "max_input_length", "max_output_length", "training_args", "peft_config"];
/** Of the configurations for GLM-4. */
const MORE: Readonly<Record<string, Key>> = {
  combine: { only: { values: [false], why: "each answer of a conversation is learnt" } },
  freezeV: { nothing: `${here}, models that see images are not supported` },
  swanlab: { nothing: `${here}, metrics lie beside the adapter` },
};

/** What finetune_hf.py does where nothing is said: transformers' and PEFT's defaults that are others here. */
const DEFAULTS = { "batch-size": "8", lr: "5e-5", "weight-decay": "0", epochs: "3", scheduler: "linear", seed: "42" };
const LORA_DEFAULTS = { r: "8", alpha: "8" };

/**
 * Translates a configuration, with the words that name data and model.
 * @param words in the order of finetune_hf.py, DATA_DIR MODEL, maybe with "yes" or a number at the end that takes a run up again;
 * MODEL DATA_DIR is understood, too
 * @throws UsageError, GlmError "data-invalid" for a file that is no such configuration
 */
export async function translateConfig(
  subject: string,
  table: OptionTable,
  file: string,
  { words, options }: { readonly words: readonly string[]; readonly options: readonly string[] },
): Promise<Translated> {
  const config = await readConfig(file);
  const into = new Translation(subject, table, optionsAmong(options));
  const data = sectionOf(file, config, "data_config") ?? {};
  const training = sectionOf(file, config, "training_args") ?? {};
  const peft = sectionOf(file, config, "peft_config");
  const [first, second, resume = ""] = words;
  if (first === undefined || second === undefined) {
    throw new UsageError(`${subject}: expected DATA_DIR and MODEL beside ${file}, got ${words[0] ?? "neither"}.`);
  }
  const { train_file: train } = data;
  if (typeof train !== "string" || train === "") {
    throw invalid(file, `data_config.train_file: expected the name of a file, got ${shownJson(train)}`);
  }
  const isThere = (folder: string): Promise<boolean> =>
    stat(join(folder, train)).then(
      () => true,
      () => false,
    );
  const isSwapped = !(await isThere(first)) && (await isThere(second));
  const [folder, model] = isSwapped ? [second, first] : [first, second];
  into.say(`train_file: ${train} -> ${join(folder, train)}`);
  const keys = (known: Readonly<Record<string, Key>>, section: Section, place: string): void => {
    for (const [name, value] of Object.entries(section)) {
      translate(known, name, value, place, { into, folder, section });
    }
  };
  keys(DATA, data, "data_config");
  addLengths(config, into);
  keys(TRAINING, training, "training_args");
  if (peft) keys(PEFT, peft, "peft_config");
  else into.becomes("no peft_config", "method", "full");
  const others = Object.fromEntries(Object.entries(config).filter(([name]) => !TOP.includes(name)));
  keys(MORE, others, "");
  if (/^yes$/i.test(resume) || Number(resume) > 0) {
    into.becomes(resume, "resume", undefined, "from where it was; numbered checkpoints are not kept");
  } else if (resume !== "" && !/^no$/i.test(resume)) into.refuse(resume, "expected yes, no or a number.");
  await addConversations(model, options, into);
  const more = peft?.peft_type === "LORA" ? { ...DEFAULTS, ...LORA_DEFAULTS } : DEFAULTS;
  const added = [
    ...Object.entries(more).flatMap(([option, value]) => into.default(option, value)),
    ...(into.has("save") ? [] : into.default("save", "./output")),
    ...(into.has("resume") ? [] : into.default("new")),
    ...into.default("no-check"),
  ];
  if (added.length > 0) into.say(`As finetune_hf.py does by itself: ${added.join(" ")}`);
  const { args, lines } = into.end();
  return { args: [model, join(folder, train), ...args, ...options], lines };
}

function translate(
  known: Readonly<Record<string, Key>>,
  name: string,
  value: unknown,
  place: string,
  context: Context,
): void {
  const { into } = context;
  const path = place === "" ? name : `${place}.${name}`;
  const written = `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`;
  const key = Object.hasOwn(known, name) ? known[name] : undefined;
  if (!key) into.refuse(path, `it is not understood.${suggestion(name, Object.keys(known))}`);
  else if (key.nothing !== undefined) into.nothing(written, key.nothing);
  else if (key.only) {
    if (key.only.values.includes(value)) into.nothing(written, key.only.why);
    else into.refuse(written, `not done here, ${key.only.why}.`);
  } else if (key.read) key.read(value, written, context);
  else if (key.option !== undefined) into.becomes(written, key.option, String(value));
}

function flag(option: string): NonNullable<Key["read"]> {
  return (value, written, { into }) => {
    if (value === true) into.becomes(written, option);
    else if (value === false || value === null) into.nothing(written, "nothing, as here");
    else into.refuse(written, "expected true or false.");
  };
}

function evaluationStrategy(value: unknown, written: string, { into }: Context): void {
  if (value === "steps") into.nothing(written, "as eval_steps says");
  else if (value === "epoch") into.nothing(written, "as here");
  else if (value === "no")
    into.nothing(written, "rows of val_file, where it is named, are validated on after each epoch");
  else into.refuse(written, "expected no, steps or epoch.");
}

/** finetune_hf.py cuts rows to both lengths and an end mark. */
function addLengths(config: Section, into: Translation): void {
  const { max_input_length: input, max_output_length: output } = config;
  if (input === undefined && output === undefined) return;
  const written = `max_input_length: ${shownJson(input)}, max_output_length: ${shownJson(output)}`;
  if (Number.isInteger(input) && Number.isInteger(output)) {
    into.becomes(written, "max-length", String(Number(input) + Number(output) + 1), "as finetune_hf.py cuts rows");
  } else into.refuse(written, "expected two whole numbers.");
}

/** A conversation is one row there; only families with roles have such rows. */
async function addConversations(model: string, options: readonly string[], into: Translation): Promise<void> {
  const where = Object.fromEntries(["hub", "revision", "family"].map((name) => [name, valueAmong(options, name)]));
  const family = await countParameters(model, full(), where as CountOptions).then(
    ({ config }) => config.family,
    // Whoever loads the model says what is wrong with it.
    () => undefined,
  );
  const hasRoles = family === "chatglm3-6b" || family === "glm-4-9b";
  if (hasRoles) into.becomes("conversations", "whole", undefined, "each is one row, all answers of which are learnt");
  else if (family !== undefined) into.nothing("conversations", `each answer is a row, ${family} has no roles`);
}

async function readConfig(file: string): Promise<Section> {
  const text = await readText(file).catch((cause: NodeJS.ErrnoException) => {
    throw invalid(file, cause.code === "ENOENT" ? "there is none" : cause.message);
  });
  const document = parseDocument(text);
  const [error] = document.errors;
  if (error) throw invalid(file, error.message.trim());
  const config: unknown = document.toJS();
  if (isSection(config)) return withNumbers(config);
  throw invalid(file, `its whole is ${shownJson(config)}`);
}

/** YAML 1.2, which is read here, has numbers like 5e-5; "5e-5" in quotes, or 1_000, is text. */
function withNumbers(section: Section): Section {
  const asNumber = (value: unknown): unknown =>
    typeof value === "string" && /^[+-]?[\d_]*\.?\d+(?:e[+-]?\d+)?$/i.test(value)
      ? Number(value.replaceAll("_", ""))
      : value;
  const entries = Object.entries(section).map(([key, value]) => [
    key,
    isSection(value) ? withNumbers(value) : asNumber(value),
  ]);
  return Object.fromEntries(entries);
}

const isSection = (value: unknown): value is Section =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function sectionOf(file: string, config: Section, name: string): Section | undefined {
  const section = config[name];
  if (section === undefined || section === null) return undefined;
  if (isSection(section)) return section;
  throw invalid(file, `${name}: expected keys with values, got ${shownJson(section)}`);
}

const invalid = (file: string, why: string): GlmError =>
  new GlmError(
    "data-invalid",
    `${file}: expected a configuration of finetune_demo, such as configs/lora.yaml: ${why}.`,
  );
