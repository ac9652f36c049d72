/** @file Tables of angles for rotary position embedding. */

import { toFloat16 } from "../float16.ts";
import { toFloat32 } from "../float32.ts";
import { type FloatTensor, tensor } from "../tensor.ts";
import type { ChatGLMConfig } from "./config.ts";

/**
 * Cosines and sines [positions, headSize / 4] of position · theta^(-2i/rotated), where half of each head is rotated by
 * one position. Frequencies are rounded as the published code does: to float32, ChatGLM-6B's to float16 first.
 */
export function rotaryTables(
  { headSize, ropeBase, layout }: ChatGLMConfig,
  positions: number,
): { cos: FloatTensor; sin: FloatTensor } {
  const rotated = headSize / 2;
  const pairs = rotated / 2;
  const exact = Float32Array.from({ length: pairs }, (_, pair) => 1 / ropeBase ** ((2 * pair) / rotated));
  const inFloat32 = tensor("float32", [pairs], exact);
  const frequencies = layout === "chatglm6b" ? toFloat32(toFloat16(inFloat32)).data : exact;
  const cos = new Float32Array(positions * pairs);
  const sin = new Float32Array(positions * pairs);
  for (let pair = 0; pair < pairs; pair += 1) {
    for (let position = 0; position < positions; position += 1) {
      const angle = Math.fround(position * (frequencies[pair] as number));
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
