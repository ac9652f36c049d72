/** @file The options that say how an answer is sampled, as the magics spell them. */
import type { SamplingOptions } from "../../src/generate/sampler.ts";
import type { Kebab, OptionSpec } from "../option.ts";

type SamplingOption = Kebab<Exclude<keyof SamplingOptions, "stop"> & string>;

/** Every sampling option of the library, and no other: a missing one does not compile. */
export const SAMPLING_OPTIONS = {
  "max-new-tokens": { kind: "integer", min: 1, help: "The longest answer, in tokens." },
  greedy: {
    kind: "flag",
    help: "Always take the likeliest token.",
    conflicts: ["temperature", "top-p", "top-k", "seed"],
  },
  temperature: { kind: "number", above: 0, help: "Above 1 more surprising, below 1 more predictable." },
  "top-p": {
    kind: "number",
    above: 0,
    max: 1,
    help: "Sample from the likeliest tokens that have this probability together.",
  },
  "top-k": { kind: "integer", min: 0, help: "Sample from this many of the likeliest tokens; 0 is all of them." },
  "repetition-penalty": { kind: "number", above: 0, help: "Above 1, tokens that have been used become less likely." },
  seed: { kind: "integer", min: 0, help: "The same seed, question and weights give the same answer." },
} as const satisfies Readonly<Record<SamplingOption, OptionSpec>>;

export const SAMPLING_NAMES: readonly string[] = Object.keys(SAMPLING_OPTIONS);
