/** @file The options of the fine-tuning methods, as the magics spell them. */
import type {
  AdaLoraConfig,
  FreezeConfig,
  FullConfig,
  LoraConfig,
  Method,
  PTuningConfig,
} from "../../src/adapters/adapter.ts";
import * as defaults from "../../src/api/defaults.ts";
import { type Code, objectLiteral } from "../code.ts";
import { MagicError } from "../error.ts";
import type { Call } from "../magic.ts";
import type { Kebab, OptionSpec, OptionTable } from "../option.ts";
import { RUNTIME } from "../values.ts";
import { argumentsOf, type Properties, propertiesOf } from "./common.ts";

/** Ranks and alphas by module are for code: a line has no good way to write them. */
type LoraOption = Kebab<Exclude<keyof LoraConfig, "method" | "rankPattern" | "alphaPattern">>;

const LORA = {
  r: { kind: "number", rule: defaults.lora.r, help: "Rank of the update." },
  alpha: { kind: "number", rule: defaults.lora.alpha, help: "The update is scaled by alpha / r." },
  dropout: {
    kind: "number",
    rule: defaults.lora.dropout,
    help: "Probability that an input of the update is dropped while training.",
  },
  targets: {
    kind: "names",
    value: "MODULE",
    words: ["all-linear"],
    default: defaults.loraTargets.join(),
    help: "Modules to adapt: query_key_value, dense, dense_h_to_4h, dense_4h_to_h, word_embeddings, output_layer; or all-linear.",
  },
  bias: {
    kind: "choice",
    choices: ["none", "all", "lora_only"],
    default: "none",
    help: "Biases of the base that are trained as well: all, or those of the targets.",
  },
  "rank-stabilized": { kind: "flag", help: "Scale by alpha / √r instead." },
  dora: { kind: "flag", help: "Learn lengths and directions of the changed weights apart (DoRA)." },
  "modules-to-save": { kind: "list", value: "MODULE", default: "none", help: "Modules that train whole, too." },
  init: { kind: "choice", choices: ["kaiming", "gaussian"], default: "kaiming", help: "How the update's A starts." },
} as const satisfies Readonly<Record<LoraOption, OptionSpec>>;

const FULL = {
  match: {
    kind: "list",
    value: "TEXT",
    default: "all of them",
    help: "With --method full or freeze: train only parameters whose name contains one of these.",
  },
} as const satisfies Readonly<Record<Kebab<Exclude<keyof FullConfig, "method">>, OptionSpec>>;

const ADA_LORA = {
  "init-r": {
    kind: "number",
    rule: defaults.adaLora.initR,
    help: "With --method adalora: rank at first; --r are left.",
  },
  tinit: { kind: "number", rule: defaults.adaLora.tinit, help: "With --method adalora: steps before ranks shrink." },
  tfinal: {
    kind: "number",
    rule: defaults.adaLora.tfinal,
    help: "With --method adalora: steps after they have shrunk.",
  },
  "delta-t": {
    kind: "number",
    rule: defaults.adaLora.deltaT,
    help: "With --method adalora: steps from one shrinking to the next.",
  },
  beta1: {
    kind: "number",
    rule: defaults.adaLora.beta1,
    help: "With --method adalora: how slowly importance changes.",
  },
  beta2: {
    kind: "number",
    rule: defaults.adaLora.beta2,
    help: "With --method adalora: how slowly its uncertainty changes.",
  },
  orthogonality: {
    kind: "number",
    rule: defaults.adaLora.orthogonality,
    help: "With --method adalora: what it costs that singular vectors are not orthogonal.",
  },
  "total-step": {
    kind: "number",
    rule: defaults.totalStep,
    help: "With --method adalora: steps of a loop by hand; %%train knows its own.",
  },
} as const satisfies Readonly<Record<Kebab<Exclude<keyof AdaLoraConfig, keyof LoraConfig>>, OptionSpec>>;

const FREEZE = {
  layers: {
    kind: "number",
    rule: defaults.freeze.layers,
    help: "With --method freeze: train the last so many layers.",
  },
  match: FULL.match,
} as const satisfies Readonly<Record<Kebab<Exclude<keyof FreezeConfig, "method">>, OptionSpec>>;

const P_TUNING = {
  length: { kind: "number", rule: defaults.pTuning.length, help: "With --method ptuning: virtual tokens." },
  projection: { kind: "flag", help: "With --method ptuning: they are made by a network that trains, too." },
} as const satisfies Readonly<Record<Kebab<Exclude<keyof PTuningConfig, "method" | "dropout">>, OptionSpec>>;

/** Every method of the library, as a line spells it, with its options: a missing one does not compile. */
const METHODS: Readonly<Record<Method, { readonly word: string; readonly options: OptionTable }>> = {
  lora: { word: "lora", options: LORA },
  adaLora: {
    word: "adalora",
    options: { r: LORA.r, ...ADA_LORA, alpha: LORA.alpha, dropout: LORA.dropout, targets: LORA.targets },
  },
  pTuning: { word: "ptuning", options: { ...P_TUNING, dropout: LORA.dropout } },
  freeze: { word: "freeze", options: FREEZE },
  embeddings: { word: "embeddings", options: {} },
  full: { word: "full", options: FULL },
};
const METHOD_NAMES = Object.keys(METHODS) as Method[];
const DEFAULT_METHOD: Method = "lora";

export const METHOD_OPTIONS: OptionTable = {
  method: {
    kind: "choice",
    choices: METHOD_NAMES.map((name) => METHODS[name].word),
    default: METHODS[DEFAULT_METHOD].word,
    help: "How it is fine-tuned.",
  },
  ...LORA,
  ...ADA_LORA,
  ...P_TUNING,
  ...FREEZE,
  ...FULL,
};

/** The method that a word means, the default one where there is none. */
export const methodCalled = (word: string | undefined): Method | undefined =>
  word === undefined ? DEFAULT_METHOD : METHOD_NAMES.find((name) => METHODS[name].word === word);

/** The names of a method's own options. */
export const optionsOfMethod = (method: Method): readonly string[] => Object.keys(METHODS[method].options);

/** An option that is given though it belongs to other methods only, and what to say of it. */
export function strayAmong(
  method: Method,
  isGiven: (option: string) => boolean,
): { readonly option: string; readonly message: string } | undefined {
  const own = optionsOfMethod(method);
  for (const { word, options } of Object.values(METHODS)) {
    const option = Object.keys(options).find((name) => !own.includes(name) && isGiven(name));
    if (option === undefined) continue;
    const chosen = METHODS[method].word;
    const message = `--${option} belongs to --method ${word}, and the method is ${chosen}. Leave one of them out.`;
    return { option, message };
  }
  return undefined;
}

/** The library's call that configures the method: `lora({ r: 8 })`. */
export function methodCall(call: Call): Code {
  const { method, properties } = chosen(call);
  return [`${RUNTIME}.${method}`, ...argumentsOf([], properties)];
}

/** What is given of the method and its options, and nothing else: `method: "freeze", layers: 2`, or `r: 8`, which may be of any method that has it. */
export function methodChoice(call: Call): Properties {
  const { method, properties } = chosen(call);
  return call.arguments.options.has("method") ? [["method", [JSON.stringify(method)]], ...properties] : properties;
}

/** A choice as an option of the runtime: `method: { r: 8 }`. */
export function methodOption(choice: Properties): Properties {
  return choice.length === 0 ? [] : [["method", objectLiteral(choice)]];
}

function chosen(call: Call): { readonly method: Method; readonly properties: Properties } {
  const method = methodOf(call);
  const stray = strayAmong(method, (option) => call.arguments.options.has(option));
  if (stray) {
    const word = call.arguments.options.get(stray.option)?.name;
    throw new MagicError(stray.message, word?.from ?? call.from, word ? word.to - word.from : 0);
  }
  return { method, properties: propertiesOf(call, optionsOfMethod(method)) };
}

/** The method must be known where the code is written: its options depend on it. */
function methodOf(call: Call): Method {
  const word = call.arguments.options.get("method")?.word;
  const method = methodCalled(word?.text);
  if (!word) return method as Method;
  if (method && !word.expression) return method;
  throw new MagicError("--method needs a name, not an expression.", word.from, word.to - word.from);
}
