/** @file What a training run will take: its rows in tokens, and about how much memory. */
import { allRows } from "../data/row-store.ts";
import { elementSize } from "../tensor.ts";
import { encodeForModel, IGNORED } from "../train/encode.ts";
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
  /** Of one run over the longest rows that can share a batch, without gradient checkpointing. */
  readonly activations: number;
}

/** @throws GlmError "data-invalid" for rows that cannot be learnt */
export function trainingPlan(
  model: ChatGLM,
  adapter: AdapterHandle,
  data: Rows,
  settings: Pick<FitSettings, "batchSize" | "maxLength" | "maxPromptLength" | "learnRole" | "validation" | "seed"> = {},
): TrainingPlan {
  const { fit } = defaults;
  const limits = {
    maxLength: settings.maxLength ?? fit.maxLength.default,
    maxPromptLength: settings.maxPromptLength ?? fit.maxPromptLength.default,
    learnRole: settings.learnRole ?? fit.learnRole.default,
  };
  const { train } = divide(data, settings.validation, settings.seed ?? fit.seed.default);
  const batch = encodeForModel(allRows(train), rowWriter(model.family, model.tokenizer), limits, model.config);
  const lengths = batch.inputIds.map((ids) => ids.length);
  const byLength = lengths.map((_, i) => i).sort((a, b) => (lengths[b] ?? 0) - (lengths[a] ?? 0));
  const largest = byLength.slice(0, settings.batchSize ?? fit.batchSize.default);
  const pick = (rows: readonly (readonly number[])[]): readonly (readonly number[])[] =>
    largest.map((i) => rows[i] ?? []);
  const trained = adapter.summary().trainable;
  return {
    rows: train.length,
    tokens: lengths.reduce((sum, length) => sum + length, 0),
    learnt: batch.labels.reduce((sum, labels) => sum + labels.filter((label) => label !== IGNORED).length, 0),
    longest: Math.max(0, ...largest.map((i) => lengths[i] ?? 0)),
    memory: {
      weights: weightBytes(model),
      values: elementSize.float32 * trained,
      gradients: elementSize.float32 * trained,
      optimizer: 2 * elementSize.float32 * trained,
      activations: trainingBytes(model.config, { inputIds: pick(batch.inputIds), labels: pick(batch.labels) }),
    },
  };
}

function weightBytes({ info }: ChatGLM): number {
  // Floats are held in float32, whatever the checkpoint has; in float16 only where that is asked for.
  const float = info.quantize === "none" && info.precision === "fast" ? elementSize.float16 : elementSize.float32;
  const size = (dtype: keyof typeof elementSize): number => (dtype.includes("float") ? float : elementSize[dtype]);
  return info.parameters.reduce((sum, { count, dtype }) => sum + count * size(dtype), 0);
}
