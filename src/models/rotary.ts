/** @file Tables of angles for rotary position embedding. */
import { type FloatTensor, tensor } from "../tensor.ts";
import type { ChatGLMConfig } from "./config.ts";

const THETA = 10000;

/**
 * Cosines and sines [positions, headSize / 4] of position · theta^(-2i/rotated), where half of each head is rotated.
 * Frequencies are rounded to float32 as the published code does.
 */
export function rotaryTables(
  { headSize, ropeRatio }: ChatGLMConfig,
  positions: number,
): { cos: FloatTensor; sin: FloatTensor } {
  const rotated = headSize / 2;
  const pairs = rotated / 2;
  const base = THETA * ropeRatio;
  const cos = new Float32Array(positions * pairs);
  const sin = new Float32Array(positions * pairs);
  for (let pair = 0; pair < pairs; pair += 1) {
    const frequency = Math.fround(1 / base ** ((2 * pair) / rotated));
    for (let position = 0; position < positions; position += 1) {
      const angle = Math.fround(position * frequency);
      cos[position * pairs + pair] = Math.cos(angle);
      sin[position * pairs + pair] = Math.sin(angle);
    }
  }
  const shape = [positions, pairs];
  return {
    cos: tensor("float32", shape, cos),
    sin: tensor("float32", shape, sin),
  };
}
