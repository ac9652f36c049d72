/** @file How much memory one run of training takes, about. */
import type { ChatGLMConfig } from "../models/config.ts";
import type { TokenBatch } from "./batch.ts";

const FLOAT = 4;

/** A step's run that takes more than so many bytes gives them back when it is over: the next one can do without what is kept. */
export const LARGE_STEP: number = 256 * 2 ** 20;

/**
 * What one run over a batch holds at its largest moment, in bytes, measured, and rather too many than too few: the inputs of every layer's
 * products and activations, which its gradient needs again, attention scores, and the logits of what has a label.
 */
export function trainingBytes(
  { layers, hidden, ffn, heads, vocabulary }: ChatGLMConfig,
  { inputIds, labels }: TokenBatch,
): number {
  const seq = Math.max(0, ...inputIds.map(({ length }) => length));
  const tokens = inputIds.length * seq;
  const scores = tokens * heads * seq;
  const labelled = labels.reduce((sum, row) => sum + row.filter((label) => label >= 0).length, 0);
  return FLOAT * (layers * (tokens * (12 * hidden + 6 * ffn) + scores) + 2 * scores + 3 * labelled * vocabulary);
}
