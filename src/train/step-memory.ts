/** @file How much memory one run of training takes, about. */
import type { ChatGLMConfig } from "../models/config.ts";
import type { TokenBatch } from "./batch.ts";
import type { Checkpointing } from "./checkpointing.ts";

const FLOAT = 4;

/** What a step's memory depends on besides its model and its batch. */
export interface StepOptions extends Checkpointing {
  /** Elements of each token that dropout has masks for. */
  readonly masked?: number | undefined;
}

/** A step's run that takes more than so many bytes gives them back when it is over: the next one can do without what is kept. */
export const LARGE_STEP: number = 256 * 2 ** 20;

/**
 * With gradient checkpointing, up to so many: their many tensors of middle sizes take up to twice as much where each is taken from
 * the system and given back by itself.
 */
const LARGE_CHECKPOINTED_STEP = 4 * LARGE_STEP;

/** Whether a run gives its memory back when it is over. */
export function isLargeStep(config: ChatGLMConfig, batch: TokenBatch, options: StepOptions = {}): boolean {
  const large = options.gradientCheckpointing ? LARGE_CHECKPOINTED_STEP : LARGE_STEP;
  return trainingBytes(config, batch, options) > large;
}

/**
 * What one run over a batch holds at its largest moment, in bytes, measured, and rather too many than too few: the inputs of every layer's
 * products and activations, which its gradient needs again, attention scores, dropout's masks, and the logits of what has a label. With gradient
 * checkpointing that is the input of every layer, and one layer's rest.
 */
export function trainingBytes(
  { layers, hidden, ffn, heads, vocabulary }: ChatGLMConfig,
  { inputIds, labels }: TokenBatch,
  { gradientCheckpointing = false, masked = 0 }: StepOptions = {},
): number {
  const seq = Math.max(0, ...inputIds.map(({ length }) => length));
  const tokens = inputIds.length * seq;
  const scores = tokens * heads * seq;
  const labelled = labels.reduce((sum, row) => sum + row.filter((label) => label >= 0).length, 0);
  const layer = tokens * (12 * hidden + 6 * ffn) + scores;
  const kept = gradientCheckpointing ? layers * tokens * hidden + layer : layers * layer;
  return FLOAT * (kept + tokens * masked + 2 * scores + 3 * labelled * vocabulary);
}
