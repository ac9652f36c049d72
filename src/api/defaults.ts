/**
 * @file The options of the public API with their defaults and bounds. Those of AdamW and of batches are where these are
 * made (train), and how much a book trains is in knowledge-pace.ts.
 */
import type { AdaLoraConfig, LoraConfig, PTuningConfig } from "../adapters/adapter.ts";
import { deviceChoices, type LoadParams, precisionChoices, quantizations } from "../engine/engine.ts";
import type { SamplingOptions } from "../generate/sampler.ts";
import type { Family } from "../models/family.ts";
import { choice, number, type OptionRule, type OptionRules, whole } from "../options.ts";
import type { ScoreName } from "../scores/score.ts";
import type { FitOptions } from "../train/fit-options.ts";
import { monitors } from "../train/monitor.ts";
import type { TeachOptions } from "../train/teaching.ts";

type Sampling = Omit<SamplingOptions, "seed" | "stop">;

/** How a family's published code samples. `maxLength` is in tokens, of prompt and answer together. */
export type PublishedSampling = Omit<Sampling, "maxNewTokens"> & { readonly maxLength: number };

const plain = { greedy: false, topK: 0, repetitionPenalty: 1 };

export const published: Readonly<Record<Family, PublishedSampling>> = {
  "chatglm-6b": { ...plain, temperature: 0.95, topP: 0.7, maxLength: 2048 },
  "chatglm2-6b": { ...plain, temperature: 0.8, topP: 0.8, maxLength: 8192 },
  "chatglm3-6b": { ...plain, temperature: 0.8, topP: 0.8, maxLength: 8192 },
  "glm-4-9b": { ...plain, temperature: 0.8, topP: 0.8, maxLength: 8192 },
};

const likeliest = (temperature: unknown): string | undefined =>
  temperature === 0 ? "Greedy answers take the likeliest token: greedy: true (--greedy)." : undefined;

/** The rules of sampling options, whose defaults are a model's own. A missing seed is drawn at random. */
export function sampling(model: Sampling): OptionRules<Sampling> {
  return {
    maxNewTokens: whole(model.maxNewTokens, { min: 0 }),
    greedy: choice(model.greedy, [true, false]),
    temperature: { ...number(model.temperature, { above: 0 }), remedy: likeliest },
    topP: number(model.topP, { above: 0, max: 1 }),
    topK: whole(model.topK, { min: 0 }),
    repetitionPenalty: number(model.repetitionPenalty, { above: 0 }),
  };
}

/** `maxLength` is also bounded by what the model can read; where answers end, its files say. */
export const fit: OptionRules<Required<Omit<FitOptions, "rehearse" | "stop">>> = {
  epochs: whole(10, { min: 1 }),
  maxSteps: whole(0, { min: 0 }),
  lr: number(1e-3, { min: 0 }),
  batchSize: whole(8, { min: 1 }),
  accumulate: whole(1, { min: 1 }),
  mixLengths: choice(false, [true, false]),
  gradientCheckpointing: choice(false, [true, false]),
  clip: number(1, { min: 0 }),
  weightDecay: number(0.01, { min: 0 }),
  scheduler: choice("constant", ["constant", "linear", "cosine"]),
  warmup: {
    default: 0,
    expected: "steps as a whole number, or a share of all steps below 1",
    allows: (value) => typeof value === "number" && value >= 0 && (value < 1 || Number.isSafeInteger(value)),
  },
  validateEvery: whole(0, { min: 0 }),
  monitor: choice("loss", monitors),
  patience: whole(0, { min: 0 }),
  rehearsePerBatch: whole(8, { min: 1 }),
  maxLength: whole(512, { min: 2 }),
  maxPromptLength: whole(0, { min: 0 }),
  learnRole: choice(false, [true, false]),
  seed: whole(0, { min: 0 }),
};

export const lora: OptionRules<Pick<LoraConfig, "r" | "alpha" | "dropout">> = {
  r: whole(8, { min: 1 }),
  alpha: number(32, { above: 0 }),
  dropout: number(0, { min: 0, below: 1 }),
};

/** As in PEFT, but for alpha, which is LoRA's here. */
export const adaLora: OptionRules<Omit<AdaLoraConfig, "method" | "targets" | "totalStep">> = {
  r: whole(8, { min: 1 }),
  initR: whole(12, { min: 1 }),
  alpha: lora.alpha,
  dropout: lora.dropout,
  tinit: whole(0, { min: 0 }),
  tfinal: whole(0, { min: 0 }),
  deltaT: whole(1, { min: 1 }),
  beta1: number(0.85, { min: 0, below: 1 }),
  beta2: number(0.85, { min: 0, below: 1 }),
  orthogonality: number(0.5, { min: 0 }),
};

/** Of AdaLoRA in loops by hand: there is none unless it is given. */
export const totalStep: OptionRule<number> = { ...whole(1, { min: 1 }), default: undefined as never };

/** The last layers, as in the scripts of the field. */
export const freeze: OptionRules<{ readonly layers: number }> = { layers: whole(4, { min: 1 }) };

/** As the published scripts have it. */
export const pTuning: OptionRules<Omit<PTuningConfig, "method">> = {
  length: whole(16, { min: 1 }),
  projection: choice(false, [true, false]),
  dropout: number(0, { min: 0, below: 1 }),
};

/** What the LoRA paper's followers adapt in ChatGLM: the attention's input projections. */
export const loraTargets: readonly string[] = ["query_key_value"];

/** LoRA of a knowledge book: every linear module. With fewer, a fact is learnt more slowly and carries over less. */
export const knowledgeTargets: readonly string[] = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"];

/** How a book teaches. What depends on the model's size and on how much is taught stands in knowledge-pace.ts. */
export const teach: OptionRules<Pick<TeachOptions, "checkEvery" | "clip" | "weightDecay">> = {
  checkEvery: whole(8, { min: 1 }),
  clip: number(1, { min: 0 }),
  weightDecay: number(0.01, { min: 0 }),
};

export const load: OptionRules<Omit<LoadParams, "name" | "hub" | "family">> = {
  device: choice("auto", deviceChoices),
  precision: choice("auto", precisionChoices),
  quantize: choice("none", quantizations),
};

/** Longest answer of `askEach`, in tokens. */
export const askEach: OptionRules<{ readonly maxNewTokens: number }> = { maxNewTokens: whole(256, { min: 1 }) };

/** Longest answer of `evaluate` and `forgetting`, in tokens. */
export const evaluate: OptionRules<{ readonly maxNewTokens: number }> = { maxNewTokens: whole(256, { min: 1 }) };

/** Scores of `evaluate` that are computed when none is named. */
export const scores: readonly ScoreName[] = ["exact", "bleu-4"];

/** How many of the first rows of a data set are told token by token. */
export const examples: OptionRule<number> = whole(3, { min: 0 });

/** Starting values of a new adapter, and gradients: the same seed gives the same. */
export const seed: OptionRules<{ readonly seed: number }> = { seed: whole(0, { min: 0 }) };

/** Largest file of a saved checkpoint, as in transformers' `save_pretrained`. */
export const maxShardSize = "2GB";
