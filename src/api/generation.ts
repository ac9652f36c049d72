/** @file How a model answers unless it is told otherwise: as its files say, else as its family's published code does. */

import { join } from "node:path";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { SamplingOptions, Shaping } from "../generate/sampler.ts";
import type { Family } from "../models/family.ts";
import type { Given, OptionRules } from "../options.ts";
import { type Json, readJson } from "../text/json.ts";
import { stopIds } from "../text/prompt.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import * as defaults from "./defaults.ts";

/** Sampling options that a call leaves out. */
export interface GenerationDefaults extends Readonly<Omit<SamplingOptions, "seed" | "maxNewTokens">> {
  /** The longest answer in tokens; without it, an answer ends when prompt and answer have `maxLength` tokens. */
  readonly maxNewTokens?: number;
  readonly maxLength: number;
}

/**
 * Reads generation_config.json, and the ids that end an answer from there or from config.json; those that the family's
 * prompts end with are the tokenizer's, where there is one.
 * @throws GlmError "model-invalid" with every field that cannot be used
 */
export async function readGeneration(
  folder: string,
  family: Family,
  tokenizer: Tokenizer | undefined,
): Promise<GenerationDefaults> {
  const path = join(folder, "generation_config.json");
  const json = (await readJson(path)) ?? {};
  const config = (await readJson(join(folder, "config.json"))) ?? {};
  const faults: string[] = [];
  const field = <T>(key: string, { allows, expected }: Check, fallback: T, from: Json = json): T => {
    const value = from[key] ?? fallback;
    if (value === undefined || allows(value)) return value as T;
    faults.push(`${from === config ? "config.json: " : ""}${key}: expected ${expected}, got ${shownJson(value)}`);
    return fallback;
  };
  const published = defaults.published[family];
  const rules = defaults.sampling({ ...published, maxNewTokens: published.maxLength });
  const sampled = field("do_sample", rules.greedy, !published.greedy);
  // What says how to sample is left in some files that turn sampling off, with values that mean nothing.
  const shape = <T>(key: string, check: Check, fallback: T): T => (sampled ? field(key, check, fallback) : fallback);
  const maxNewTokens = field<number | undefined>("max_new_tokens", rules.maxNewTokens, undefined);
  const ends = field<number | number[]>("eos_token_id", idOrIds, [], json.eos_token_id === undefined ? config : json);
  const generation: GenerationDefaults = {
    greedy: !sampled,
    temperature: shape("temperature", rules.temperature, published.temperature),
    topP: shape("top_p", rules.topP, published.topP),
    topK: shape("top_k", rules.topK, published.topK),
    repetitionPenalty: field("repetition_penalty", rules.repetitionPenalty, published.repetitionPenalty),
    maxLength: field("max_length", rules.maxNewTokens, published.maxLength),
    ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
    stop: [...new Set([...(tokenizer ? stopIds(family, tokenizer) : []), ...[ends].flat()])],
  };
  if (faults.length === 0) return generation;
  throw new GlmError("model-invalid", `${path} cannot be used; correct or remove it:${faultLines(faults)}`);
}

interface Check {
  readonly expected: string;
  allows(value: unknown): boolean;
}

const idOrIds: Check = {
  expected: "a token id or a list of them",
  allows: (value) => [value].flat().every((id) => Number.isSafeInteger(id) && Number(id) >= 0),
};

/**
 * The rules of sampling options with a model's defaults.
 * @param given what a call says: where it says how to sample, a model that is greedy by default samples; a repetition penalty
 * does not say so. Without a length of its own, an answer's default is all of the model's: a prompt takes its part of that.
 */
export function samplingRules(
  generation: GenerationDefaults,
  given: Given<Shaping>,
): OptionRules<Omit<SamplingOptions, "seed" | "stop">> {
  const shaped = [given.temperature, given.topP, given.topK].some((value) => value !== undefined);
  return defaults.sampling({
    ...generation,
    greedy: generation.greedy && !shaped,
    maxNewTokens: generation.maxNewTokens ?? generation.maxLength,
  });
}
