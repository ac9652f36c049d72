/** @file The options that say how an answer is sampled, as the magics spell them. */
import * as defaults from "../../src/api/defaults.ts";
import type { SamplingOptions } from "../../src/generate/sampler.ts";
import type { Kebab, OptionSpec } from "../option.ts";

type SamplingOption = Kebab<Exclude<keyof SamplingOptions, "stop"> & string>;

/** Every sampling option of the library, and no other: a missing one does not compile. */
export const SAMPLING_OPTIONS: Readonly<Record<SamplingOption, OptionSpec>> = {
  "max-new-tokens": { kind: "number", rule: defaults.sampling.maxNewTokens, help: "The longest answer, in tokens." },
  greedy: {
    kind: "flag",
    help: "Always take the likeliest token.",
    conflicts: ["temperature", "top-p", "top-k", "repetition-penalty", "seed"],
  },
  temperature: {
    kind: "number",
    rule: defaults.sampling.temperature,
    help: "Above 1 more surprising, below 1 more predictable.",
  },
  "top-p": {
    kind: "number",
    rule: defaults.sampling.topP,
    help: "Sample from the likeliest tokens that have this probability together.",
  },
  "top-k": {
    kind: "number",
    rule: defaults.sampling.topK,
    help: "Sample from this many of the likeliest tokens; 0 is all of them.",
  },
  "repetition-penalty": {
    kind: "number",
    rule: defaults.sampling.repetitionPenalty,
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
