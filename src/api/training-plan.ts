/** @file What a training run will take: its rows in tokens, and about how much memory. */
import { createAdapter } from "../adapters/methods.ts";
import { modulesOf, parametersOf } from "../models/architectures.ts";
import { elementSize } from "../tensor.ts";
import { limitsFor, rowEncoder } from "../train/encode.ts";
import { type EncodedSet, encodeSet, longestRows } from "../train/encoded-set.ts";
import { joined } from "../train/examples.ts";
import { rowWriter } from "../train/row-writer.ts";
import { trainingBytes } from "../train/step-memory.ts";
import type { AdapterHandle } from "./adapter.ts";
import type { ChatGLM } from "./chatglm.ts";
import * as defaults from "./defaults.ts";
import type { FitSettings } from "./fit-request.ts";
import { divide, type Rows } from "./rows.ts";

/** Tokens are those of all rows once, as they are cut. */
export interface TrainingPlan {
  readonly rows: number;
  readonly tokens: number;
  /** Of which so many are learnt. */
  readonly learnt: number;
  /** Of the longest row. */
  readonly longest: number;
  readonly memory: PlannedMemory;
}

/** Bytes, about. */
export interface PlannedMemory {
  /** The model's own, in the form in which they are held. */
  readonly weights: number;
  /** Of what trains, in float32: values, gradients, and AdamW's two moments. */
  readonly values: number;
  readonly gradients: number;
  readonly optimizer: number;
  /** Of one run over the longest rows that can share a batch, as the settings say, with gradient checkpointing or without. */
  readonly activations: number;
}

type PlannedSettings = Pick<
  FitSettings,
  "batchSize" | "maxLength" | "maxPromptLength" | "learnRole" | "gradientCheckpointing" | "validation" | "seed"
>;

/** @throws GlmError "data-invalid" for rows that cannot be learnt */
export async function trainingPlan(
  model: ChatGLM,
  adapter: AdapterHandle,
  data: Rows,
  settings: PlannedSettings = {},
): Promise<TrainingPlan> {
  const { fit } = defaults;
  const limits = {
    maxLength: settings.maxLength ?? fit.maxLength.default,
    maxPromptLength: settings.maxPromptLength ?? fit.maxPromptLength.default,
    learnRole: settings.learnRole ?? fit.learnRole.default,
  };
  const { train } = divide(data, settings.validation, settings.seed ?? fit.seed.default);
  const encode = rowEncoder(rowWriter(model.family, model.tokenizer), limitsFor(limits, model.config));
  const { lengths, learnt, at } = await encodedAll(train, encode);
  const largest = longestRows(lengths, settings.batchSize ?? fit.batchSize.default);
  const trained = adapter.summary().trainable;
  const step = { gradientCheckpointing: settings.gradientCheckpointing ?? false, masked: maskedBy(model, adapter) };
  return {
    rows: train.length,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    learnt,
    longest: lengths[largest[0] ?? 0] ?? 0,
    memory: {
      weights: weightBytes(model),
      values: elementSize.float32 * trained,
      gradients: elementSize.float32 * trained,
      optimizer: 2 * elementSize.float32 * trained,
      activations: trainingBytes(model.config, joined(largest.map(at)), step),
    },
  };
}

async function encodedAll(...given: Parameters<typeof encodeSet>): Promise<EncodedSet> {
  const encoding = encodeSet(...given);
  for (;;) {
    const { done, value } = await encoding.next();
    if (done) return value;
  }
}

/** Elements of each token that dropout has masks for. */
function maskedBy({ config }: ChatGLM, adapter: AdapterHandle): number | undefined {
  const read = (name: string): never => {
    throw new Error(`${name} was asked for, to count masks`);
  };
  const base = { parameters: parametersOf(config), modules: modulesOf(config), config, read };
  return createAdapter(adapter.config, base).masked;
}

function weightBytes({ info }: ChatGLM): number {
  // Floats are held in float32, whatever the checkpoint has; in float16 only where that is asked for.
  const float = info.quantize === "none" && info.precision === "fast" ? elementSize.float16 : elementSize.float32;
  const size = (dtype: keyof typeof elementSize): number => (dtype.includes("float") ? float : elementSize[dtype]);
  return info.parameters.reduce((sum, { count, dtype }) => sum + count * size(dtype), 0);
}
