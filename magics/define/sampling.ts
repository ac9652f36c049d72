/** @file The options that say how an answer is sampled, as the magics spell them. */
import * as defaults from "../../src/api/defaults.ts";
import type { SamplingOptions } from "../../src/generate/sampler.ts";
import type { Kebab, OptionSpec } from "../option.ts";

type SamplingOption = Kebab<Exclude<keyof SamplingOptions, "stop"> & string>;

const usual = defaults.published["chatglm2-6b"];
const rules = defaults.sampling({ ...usual, maxNewTokens: usual.maxLength });

/** What the families' published code has for an option: the usual value, and which family has another. */
function published(option: keyof typeof usual): string {
  const others = Object.entries(defaults.published).filter(([, values]) => values[option] !== usual[option]);
  const exceptions = others.map(([family, values]) => `, ${values[option]} for ${family}`);
  return `${usual[option]}${exceptions.join("")}`;
}

/** Every sampling option of the library, and no other: a missing one does not compile. */
export const SAMPLING_OPTIONS: Readonly<Record<SamplingOption, OptionSpec>> = {
  "max-new-tokens": {
    kind: "number",
    rule: rules.maxNewTokens,
    default: `the model's own, else what a prompt leaves of ${published("maxLength")}`,
    help: "The longest answer, in tokens.",
  },
  greedy: {
    kind: "flag",
    help: "Always take the likeliest token.",
    conflicts: ["temperature", "top-p", "top-k", "seed"],
  },
  temperature: {
    kind: "number",
    rule: rules.temperature,
    default: `the model's own, else ${published("temperature")}`,
    help: "Above 1 more surprising, below 1 more predictable.",
  },
  "top-p": {
    kind: "number",
    rule: rules.topP,
    default: `the model's own, else ${published("topP")}`,
    help: "Sample from the likeliest tokens that have this probability together.",
  },
  "top-k": {
    kind: "number",
    rule: rules.topK,
    default: `the model's own, else ${published("topK")}`,
    help: "Sample from this many of the likeliest tokens; 0 is all of them.",
  },
  "repetition-penalty": {
    kind: "number",
    rule: rules.repetitionPenalty,
    default: `the model's own, else ${published("repetitionPenalty")}`,
    help: "Above 1, tokens that have been used become less likely.",
  },
  seed: {
    kind: "number",
    rule: defaults.seed.seed,
    default: "drawn at random",
    help: "The same seed, question and weights give the same answer.",
  },
};

export const SAMPLING_NAMES: readonly string[] = Object.keys(SAMPLING_OPTIONS);
