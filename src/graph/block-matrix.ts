/** @file A matrix of 4- or 8-bit codes in blocks of columns, as the group-wise kernels take it. */
import type { Value } from "./value.ts";

/** Columns that share a scale. */
export const BLOCK = 128;

export type BlockBits = 4 | 8;

/** The code that stands for 0. */
export const zeroCode = (bits: BlockBits): number => 2 ** (bits - 1);

/** Bytes of a block's codes. */
export const blockBytes = (bits: BlockBits): number => (BLOCK * bits) / 8;

/** A matrix [out, in] of codes in blocks of columns: element = (code - zeroCode) · scale of its row and block. */
export interface BlockMatrix {
  readonly in: number;
  readonly out: number;
  readonly bits: BlockBits;
  /** uint8 [out, blocks, blockBytes]: of two 4-bit codes in a byte the low one has the even column. */
  readonly codes: Value;
  /** float32 [out · blocks]. */
  readonly scales: Value;
}

export const blocksOf = (columns: number): number => Math.ceil(columns / BLOCK);
