/** @file Numbers of every stored type as float32. */
import { type DType, type FloatTensor, type Tensor, tensor } from "./tensor.ts";

/** The tensor's values as float32: exact for float16, bfloat16 and small integers, rounded for float64 and int64. */
export function toFloat32(source: Tensor): FloatTensor {
  return source.dtype === "float32"
    ? (source as FloatTensor)
    : tensor("float32", source.shape, converters[source.dtype](source.data));
}

const converters: Readonly<Record<DType, (data: Tensor["data"]) => Float32Array>> = {
  float64: (data) => Float32Array.from(data as Float64Array),
  float32: (data) => data as Float32Array,
  float16: (data) => halvesToFloat32(data as Uint16Array),
  bfloat16: (data) => bfloatsToFloat32(data as Uint16Array),
  int64: (data) => Float32Array.from(data as BigInt64Array, Number),
  int32: (data) => Float32Array.from(data as Int32Array),
  int8: (data) => Float32Array.from(data as Int8Array),
  uint8: (data) => Float32Array.from(data as Uint8Array),
  bool: (data) => Float32Array.from(data as Uint8Array),
};

/** bfloat16 is the upper half of a float32. */
function bfloatsToFloat32(bits: Uint16Array): Float32Array {
  const words = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = (bits[i] as number) << 16;
  return new Float32Array(words.buffer);
}

let halves: Float32Array | undefined;

function halvesToFloat32(bits: Uint16Array): Float32Array {
  halves ??= Float32Array.from({ length: 65536 }, (_, pattern) => halfToNumber(pattern));
  const values = new Float32Array(bits.length);
  for (let i = 0; i < bits.length; i++) values[i] = halves[bits[i] as number] as number;
  return values;
}

/** IEEE 754 binary16: 1 sign, 5 exponent (bias 15) and 10 fraction bits. */
function halfToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
