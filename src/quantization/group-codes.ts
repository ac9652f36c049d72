/** @file Matrices as the block kernels want them: 128 columns to a scale; of two 4-bit codes a byte the low half is first. */
import { BLOCK, type BlockBits, blockBytes, blocksOf, zeroCode } from "../graph/block-matrix.ts";
import type { QuantizedRows } from "./quantize.ts";

/** Rows of a matrix: element = (code - zeroCode) · scale of its row and block. The last block of a row is padded. */
export interface BlockRows {
  /** uint8 [rows, blocks, blockBytes]. */
  readonly codes: Uint8Array;
  /** float32 [rows · blocks]. */
  readonly scales: Float32Array;
}

/** Quantises rows of `columns` elements in 4 bits: the largest of each block is exact, and gets the end of the range. */
export function quantizeBlocks(values: Float32Array, columns: number): BlockRows {
  const zero = zeroCode(4);
  return inBlocks(values.length / columns, columns, 4, (biased, at, from, to) => {
    let extreme = 0;
    for (let i = from; i < to; i += 1) {
      const value = values[i] as number;
      if (Math.abs(value) > Math.abs(extreme)) extreme = value;
    }
    // There is one more code below zero than above: the extreme's sign is turned that way.
    const scale = Math.fround(extreme / -zero);
    if (scale === 0) return 0;
    const inverse = 1 / scale;
    const largest = 2 * zero - 1;
    // The half rounds to nearest; codes are positive, so that a byte array's own rounding down does the rest.
    for (let i = from; i < to; i += 1) {
      const code = (values[i] as number) * inverse + zero + 0.5;
      biased[at + i - from] = Math.min(code, largest);
    }
    return scale;
  });
}

/** The same form for rows that have codes and a scale each already. */
export function blockCodes({ codes, scales }: QuantizedRows, columns: number, bits: BlockBits): BlockRows {
  const zero = zeroCode(bits);
  return inBlocks(scales.length, columns, bits, (biased, at, from, to) => {
    for (let i = from; i < to; i += 1) biased[at + i - from] = (codes[i] as number) + zero;
    return scales[Math.floor(from / columns)] as number;
  });
}

/** Writes the biased codes of elements `from` to `to`, one block, to `at`; returns their scale. */
type FillBlock = (biased: Uint8Array, at: number, from: number, to: number) => number;

function inBlocks(rows: number, columns: number, bits: BlockBits, fill: FillBlock): BlockRows {
  const blocks = blocksOf(columns);
  // Padding and blocks of nothing have the code of zero.
  const biased = new Uint8Array(rows * blocks * BLOCK).fill(zeroCode(bits));
  const scales = new Float32Array(rows * blocks);
  for (let block = 0; block < scales.length; block += 1) {
    const row = Math.floor(block / blocks);
    const from = row * columns + (block % blocks) * BLOCK;
    const to = Math.min(from + BLOCK, (row + 1) * columns);
    scales[block] = fill(biased, block * BLOCK, from, to);
  }
  return { codes: bits === 4 ? paired(biased) : biased, scales };
}

/** Two 4-bit codes a byte, the first in the low half. */
function paired(biased: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(biased.length / 2);
  for (let i = 0; i < bytes.length; i += 1) {
    bytes[i] = (biased[2 * i] as number) | ((biased[2 * i + 1] as number) << 4);
  }
  return bytes;
}

/** The codes of rows of `columns` elements, 0 for zero, without the padding. */
function blockCodesOf(bytes: Uint8Array, columns: number, bits: BlockBits): Int8Array {
  const [padded, zero] = [blocksOf(columns) * BLOCK, zeroCode(bits)];
  const rows = bytes.length / (blocksOf(columns) * blockBytes(bits));
  const codes = new Int8Array(rows * columns);
  for (let r = 0; r < rows; r += 1) {
    for (let i = 0; i < columns; i += 1) {
      const at = r * padded + i;
      const code = bits === 8 ? (bytes[at] as number) : ((bytes[at >> 1] as number) >> (4 * (at & 1))) & 15;
      codes[r * columns + i] = code - zero;
    }
  }
  return codes;
}

/** The rows as float32. */
export function dequantizeBlocks({ codes, scales }: BlockRows, columns: number, bits: BlockBits): Float32Array {
  const blocks = blocksOf(columns);
  const rows = scales.length / blocks;
  const values = new Float32Array(rows * columns);
  const unpacked = blockCodesOf(codes, columns, bits);
  for (let block = 0; block < scales.length; block += 1) {
    const row = Math.floor(block / blocks);
    const from = row * columns + (block % blocks) * BLOCK;
    const scale = scales[block] as number;
    const to = Math.min(from + BLOCK, (row + 1) * columns);
    for (let i = from; i < to; i += 1) values[i] = (unpacked[i] as number) * scale;
  }
  return values;
}
