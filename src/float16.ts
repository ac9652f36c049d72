/** @file float32 numbers as float16, rounded to nearest, ties to even. */
import { type FloatTensor, type Tensor, tensor } from "./tensor.ts";

export function toFloat16({ shape, data }: FloatTensor): Tensor<"float16"> {
  const words = new Uint32Array(data.buffer, data.byteOffset, data.length);
  return tensor("float16", shape, Uint16Array.from(words, halfBits));
}

/** The bits of the nearest binary16 number; what is too large becomes infinity. */
function halfBits(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 0xff) - 127;
  const fraction = bits & 0x7fffff;
  if (exponent === 128) return sign | 0x7c00 | (fraction === 0 ? 0 : 0x200);
  if (exponent < -25) return sign;
  // Below 2^-14 numbers lose their leading one: it moves into the fraction, which is shifted further.
  const subnormal = exponent < -14;
  const shift = subnormal ? -1 - exponent : 13;
  const exact = subnormal ? fraction | 0x800000 : fraction;
  const kept = exact >>> shift;
  const rest = exact & ((1 << shift) - 1);
  const half = 1 << (shift - 1);
  const up = rest > half || (rest === half && (kept & 1) === 1) ? 1 : 0;
  const magnitude = (subnormal ? 0 : (exponent + 15) << 10) + kept + up;
  return sign | Math.min(magnitude, 0x7c00);
}

/** Rounds float32 numbers in place to the nearest ones that float16 has; what is too large becomes infinite. */
export function roundToFloat16(values: Float32Array): void {
  const words = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < words.length; i += 1) {
    const bits = words[i] as number;
    const magnitude = bits & 0x7fffffff;
    if (magnitude >= 0x38800000) {
      // 2^-14 or more: 10 of 23 fraction bits stay. A carry runs into the exponent, as it should.
      const rounded = magnitude + 0xfff + ((magnitude >>> 13) & 1);
      const kept = rounded >= 0x47800000 ? (magnitude > 0x7f800000 ? 0x7fc00000 : 0x7f800000) : rounded & ~0x1fff;
      words[i] = (bits & 0x80000000) | kept;
    } else {
      // Below, neighbours are 2^-24 apart: so they are around this sum, which rounds as wanted.
      const value = values[i] as number;
      values[i] = bits >>> 31 ? -(SUBNORMAL - value - SUBNORMAL) : value + SUBNORMAL - SUBNORMAL;
    }
  }
}

const SUBNORMAL = 1.5 * 2 ** 28;
