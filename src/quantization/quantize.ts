/**
 * @file Quantised matrices as ChatGLM publishes them: symmetric, one scale a row, 8 bits or two 4-bit numbers a byte.
 *
 * Source: the quantisation of THUDM/chatglm-6b and chatglm2-6b. It runs on a model that was cast to float16, so every
 * intermediate result is rounded to float16 here, too: codes and scales come out bit for bit.
 */
import { roundToFloat16 } from "../float16.ts";

export type Bits = 4 | 8;

/** Rows of a matrix: element = code · scale of its row. */
export interface QuantizedRows {
  /** int8 [rows, columns], from -(2^(bits-1) - 1) to 2^(bits-1) - 1. */
  readonly codes: Int8Array;
  /** float32 [rows], each a float16 number. */
  readonly scales: Float32Array;
}

export const largestCode = (bits: Bits): number => 2 ** (bits - 1) - 1;

/** The scales that rows of `columns` elements get: float32 [rows], each a float16 number. */
export function rowScales(values: Float32Array, columns: number, bits: Bits): Float32Array {
  const scales = Float32Array.from({ length: values.length / columns }, (_, r) =>
    largestMagnitude(values.subarray(r * columns, (r + 1) * columns)),
  );
  // Rounding keeps the order: the largest of rounded numbers is the largest, rounded.
  roundToFloat16(scales);
  for (let r = 0; r < scales.length; r += 1) scales[r] = (scales[r] as number) / largestCode(bits);
  roundToFloat16(scales);
  return scales;
}

/** Quantises rows of `columns` elements each. */
export function quantizeRows(values: Float32Array, columns: number, bits: Bits): QuantizedRows {
  const rows = values.length / columns;
  const codes = new Int8Array(values.length);
  const scales = rowScales(values, columns, bits);
  const row = new Float32Array(columns);
  for (let r = 0; r < rows; r += 1) {
    const from = r * columns;
    row.set(values.subarray(from, from + columns));
    const scale = scales[r] as number;
    if (scale === 0) continue;
    roundToFloat16(row);
    for (let i = 0; i < columns; i += 1) row[i] = (row[i] as number) / scale;
    roundToFloat16(row);
    for (let i = 0; i < columns; i += 1) codes[from + i] = nearestEven(row[i] as number);
  }
  return { codes, scales };
}

/** The rows as float32. */
export function dequantizeRows({ codes, scales }: QuantizedRows): Float32Array {
  const columns = codes.length / scales.length;
  const values = new Float32Array(codes.length);
  for (let r = 0; r < scales.length; r += 1) {
    const scale = scales[r] as number;
    for (let i = r * columns; i < (r + 1) * columns; i += 1) values[i] = (codes[i] as number) * scale;
  }
  return values;
}

/** 4-bit codes as published: two a byte, the even column in the high half, two's complement. */
export function packPublished(codes: Int8Array): Int8Array {
  const bytes = new Int8Array(codes.length / 2);
  for (let i = 0; i < bytes.length; i += 1) {
    bytes[i] = ((codes[2 * i] as number) << 4) | ((codes[2 * i + 1] as number) & 15);
  }
  return bytes;
}

export function unpackPublished(bytes: Int8Array): Int8Array {
  const codes = new Int8Array(bytes.length * 2);
  for (let i = 0; i < bytes.length; i += 1) {
    const byte = bytes[i] as number;
    codes[2 * i] = byte >> 4;
    codes[2 * i + 1] = (byte << 28) >> 28;
  }
  return codes;
}

function largestMagnitude(values: Float32Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i += 1) largest = Math.max(largest, Math.abs(values[i] as number));
  return largest;
}

/** Adding it leaves no bits for a fraction: the sum is rounded to a whole number, ties to even, as PyTorch rounds. */
const WHOLE = 1.5 * 2 ** 52;

const nearestEven = (x: number): number => x + WHOLE - WHOLE;
