/** @file Numbers in llama.cpp's superblocks of 256 with 6 bits an element (Q6_K): parts of 16 have 8-bit scales in a common unit. */
import { toFloat16 } from "../../src/float16.ts";
import { tensor } from "../../src/tensor.ts";
import { ggufTypes } from "./gguf.ts";
import { largestOf } from "./largest.ts";

const PART = 16;
/** The largest code's magnitude, which only negative codes have. */
const LARGEST = 32;
/** Bytes of a superblock: the codes' low 4 bits, their high 2 bits, the parts' scales, and the unit as float16. */
const HIGH = 128;
const SCALES = HIGH + 64;
const UNIT = SCALES + 16;

/** @param values whole superblocks */
export function encodeQ6K(values: Float32Array): Uint8Array {
  const { block, blockBytes } = ggufTypes.Q6_K;
  const count = values.length / block;
  const parts = block / PART;
  // The scale makes the largest weight, sign included, the lowest code.
  const scales = Float32Array.from(
    { length: values.length / PART },
    (_, i) => largestOf(values, i * PART, PART) / -LARGEST,
  );
  const units = Float32Array.from({ length: count }, (_, i) => largestOf(scales, i * parts, parts) / -128);
  const halves = toFloat16(tensor("float32", [count], units)).data;
  const bytes = new Uint8Array(count * blockBytes);
  const codes = new Uint8Array(block);
  for (let i = 0; i < count; i += 1) {
    const target = bytes.subarray(i * blockBytes, (i + 1) * blockBytes);
    for (let part = 0; part < parts; part += 1) {
      const unit = units[i] as number;
      const multiple = unit === 0 ? 0 : Math.min(127, Math.round((scales[i * parts + part] as number) / unit));
      target[SCALES + part] = multiple;
      const scale = multiple * unit;
      for (let j = part * PART; j < (part + 1) * PART; j += 1) {
        const quotient = scale === 0 ? 0 : Math.round((values[i * block + j] as number) / scale);
        codes[j] = Math.max(-LARGEST, Math.min(LARGEST - 1, quotient)) + LARGEST;
      }
    }
    lay(codes, target);
    new DataView(target.buffer, target.byteOffset).setUint16(UNIT, halves[i] as number, true);
  }
  return bytes;
}

/** Codes of 6 bits, as kernels want them: each half of 128 has four runs of 32, whose bits lie above one another. */
function lay(codes: Uint8Array, target: Uint8Array): void {
  for (let half = 0; half < 2; half += 1) {
    for (let i = 0; i < 32; i += 1) {
      const [a, b, c, d] = [0, 32, 64, 96].map((run) => codes[half * 128 + run + i] as number) as [
        number,
        number,
        number,
        number,
      ];
      target[half * 64 + i] = (a & 15) | ((c & 15) << 4);
      target[half * 64 + 32 + i] = (b & 15) | ((d & 15) << 4);
      target[HIGH + half * 32 + i] = (a >> 4) | ((b >> 4) << 2) | ((c >> 4) << 4) | ((d >> 4) << 6);
    }
  }
}
