/** @file A tensor as it lies in a weights file, whatever the file's format: graphs map it, readers read it. */
import type { FileRange } from "../graph/value.ts";
import type { DType } from "../tensor.ts";

/**
 * Dense, row-major, little-endian numbers in a file. Offsets count from the start of the file, so other readers can be
 * pointed at it. Two tensors that share their numbers (a tied head) have the same offset.
 */
export interface StoredTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly file: string;
  readonly offset: number;
  readonly bytes: number;
}

/** Where its bytes lie. */
export const rangeOf = ({ file, offset, bytes }: StoredTensor): FileRange => ({ file, offset, bytes });
