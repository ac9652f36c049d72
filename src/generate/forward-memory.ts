/** @file How much memory one run forward takes, about. */
import type { ChatGLMConfig } from "../models/config.ts";

const FLOAT = 4;

/**
 * A run that takes more than so many bytes gives them back when it is over, by a program of its own. Reading a prompt takes
 * less at 6B, also where 4,096 tokens came before: the program that is there for every answer does that, too.
 */
export const LARGE_FORWARD: number = 512 * 2 ** 20;

/** What is computed at once. */
export interface ForwardRun {
  /** Of all rows. */
  readonly tokens: number;
  /** Places that each of them looks at. */
  readonly seen: number;
  /** Tokens whose logits are wanted. */
  readonly chosen: number;
  /** Float32 results that one product has in memory at a time, as of a form of weights. */
  readonly parts?: number;
}

/** What a run holds at its largest moment, in bytes: the widest layer's products, two copies of attention scores, the logits. */
export function forwardBytes(
  { hidden, ffn, heads, vocabulary }: ChatGLMConfig,
  { tokens, seen, chosen, parts = 1 }: ForwardRun,
): number {
  const widest = 2 * ffn * (parts + 1) + 8 * hidden;
  return FLOAT * (tokens * (widest + 2 * heads * seen) + 2 * chosen * vocabulary);
}
