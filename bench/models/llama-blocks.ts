/** @file Numbers as llama.cpp has them; here its blocks of 32 with a float16 scale: 4 bits (Q4_0) or 8 bits (Q8_0) an element. */

import { toFloat16 } from "../../src/float16.ts";
import { tensor } from "../../src/tensor.ts";
import { type GgufType, ggufTypes } from "./gguf.ts";
import { largestOf } from "./largest.ts";
import { encodeQ6K } from "./llama-superblocks.ts";

/** @param values whole rows, or whole blocks of them */
export function encodeLlama(type: GgufType, values: Float32Array): Uint8Array {
  return encoders[type](values);
}

const encoders: Readonly<Record<GgufType, (values: Float32Array) => Uint8Array>> = {
  F32: (values) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  // The scale makes the largest weight, sign included, -8: the one code without a counterpart.
  Q4_0: (values) =>
    blocks(
      values,
      "Q4_0",
      (peak) => peak / -8,
      (codes, target) => {
        for (let i = 0; i < 16; i += 1) {
          const [low, high] = [nibble(codes[i] as number), nibble(codes[i + 16] as number)];
          target[i] = low | (high << 4);
        }
      },
    ),
  Q8_0: (values) =>
    blocks(
      values,
      "Q8_0",
      (peak) => Math.abs(peak) / 127,
      (codes, target) => {
        for (let i = 0; i < 32; i += 1) target[i] = Math.round(codes[i] as number);
      },
    ),
  Q6_K: encodeQ6K,
};

/** A quotient from -8 to 8 as 0 to 15. */
const nibble = (quotient: number): number => Math.min(15, Math.floor(quotient + 8.5));

/**
 * Blocks of 32: a float16 scale, then codes.
 * @param scaleOf the scale for the element of largest magnitude
 * @param write gets the 32 elements divided by the scale
 */
function blocks(
  values: Float32Array,
  type: "Q4_0" | "Q8_0",
  scaleOf: (peak: number) => number,
  write: (quotients: Float32Array, target: Uint8Array) => void,
): Uint8Array {
  const { block, blockBytes } = ggufTypes[type];
  const count = values.length / block;
  const scales = Float32Array.from({ length: count }, (_, i) => scaleOf(largestOf(values, i * block, block)));
  const halves = toFloat16(tensor("float32", [count], scales)).data;
  const bytes = new Uint8Array(count * blockBytes);
  const view = new DataView(bytes.buffer);
  const quotients = new Float32Array(block);
  for (let i = 0; i < count; i += 1) {
    const scale = scales[i] as number;
    for (let j = 0; j < block; j += 1) quotients[j] = scale === 0 ? 0 : (values[i * block + j] as number) / scale;
    view.setUint16(i * blockBytes, halves[i] as number, true);
    write(quotients, bytes.subarray(i * blockBytes + 2, (i + 1) * blockBytes));
  }
  return bytes;
}
