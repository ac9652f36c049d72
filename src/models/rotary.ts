/** @file Tables of angles for rotary position embedding. */

import { toFloat16 } from "../float16.ts";
import { toFloat32 } from "../float32.ts";
import { type FloatTensor, tensor } from "../tensor.ts";
import type { ChatGLMConfig } from "./config.ts";

/**
 * theta^(-2i/rotated) for the headSize / 4 pairs of a head's half, which one position rotates. Rounded as the published code
 * does: to float32, ChatGLM-6B's to float16 first.
 */
export function rotaryFrequencies({ headSize, ropeBase, layout }: ChatGLMConfig): Float32Array {
  const rotated = headSize / 2;
  const exact = Float32Array.from({ length: rotated / 2 }, (_, pair) => 1 / ropeBase ** ((2 * pair) / rotated));
  return layout === "chatglm6b" ? toFloat32(toFloat16(tensor("float32", [exact.length], exact))).data : exact;
}

/** Cosines and sines [positions, headSize / 4] of each position times each frequency. */
export function rotaryTables(config: ChatGLMConfig, positions: number): { cos: FloatTensor; sin: FloatTensor } {
  const frequencies = rotaryFrequencies(config);
  const pairs = frequencies.length;
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
