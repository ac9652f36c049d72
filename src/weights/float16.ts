/** @file float32 numbers as float16, rounded to nearest, ties to even. */
import { type FloatTensor, type Tensor, tensor } from "../tensor.ts";

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
