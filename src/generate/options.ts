/** @file Sampling options: the published defaults of each family, and a check that names everything that cannot be. */
import { GlmError } from "../errors.ts";
import type { Family } from "../models/config.ts";
import { suggestion } from "../options.ts";
import type { SamplingOptions, Shaping } from "./sampler.ts";

/** What the published `chat` methods sample with; top-k is what transformers adds to them unless it is told otherwise. */
export const publishedSampling: Readonly<Record<Family, Shaping>> = {
  "chatglm2-6b": { temperature: 0.8, topP: 0.8, topK: 50, repetitionPenalty: 1 },
  "chatglm3-6b": { temperature: 0.8, topP: 0.8, topK: 50, repetitionPenalty: 1 },
};

/** What each option must be, in words, and whether a value is it. */
const rules: { readonly [K in keyof SamplingOptions]: readonly [string, (value: unknown) => boolean] } = {
  maxNewTokens: ["a whole number of tokens from 1", isWhole(1)],
  greedy: ["true or false", (value) => typeof value === "boolean"],
  temperature: ["a number above 0 (greedy: true always takes the likeliest token)", isNumber((n) => n > 0)],
  topP: ["a number above 0, at most 1", isNumber((n) => n > 0 && n <= 1)],
  topK: ["a whole number from 0 (0 turns it off)", isWhole(0)],
  repetitionPenalty: ["a number above 0 (1 turns it off)", isNumber((n) => n > 0)],
  seed: ["a whole number", isWhole(Number.MIN_SAFE_INTEGER)],
  stop: ["a list of token ids", (value) => Array.isArray(value) && value.every(isWhole(0))],
};

/**
 * Completes sampling options; those that are undefined take their default.
 * @throws GlmError "option-invalid" that names every option that cannot be
 */
export function samplingOptions(given: Partial<SamplingOptions>, defaults: SamplingOptions): SamplingOptions {
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  const faults: string[] = [];
  for (const [name, value] of set) {
    const rule = Object.hasOwn(rules, name) ? rules[name as keyof SamplingOptions] : undefined;
    if (!rule) faults.push(`${name} is unknown.${suggestion(name, Object.keys(rules))}`);
    else if (!rule[1](value)) faults.push(`${name}: expected ${rule[0]}, got ${shown(value)}`);
  }
  if (faults.length > 0)
    throw new GlmError("option-invalid", `These options cannot be used:\n- ${faults.join("\n- ")}`);
  return { ...defaults, ...Object.fromEntries(set) };
}

function isNumber(ok: (value: number) => boolean): (value: unknown) => boolean {
  return (value) => typeof value === "number" && Number.isFinite(value) && ok(value);
}

function isWhole(least: number): (value: unknown) => boolean {
  return isNumber((value) => Number.isSafeInteger(value) && value >= least);
}

function shown(value: unknown): string {
  return typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
}
