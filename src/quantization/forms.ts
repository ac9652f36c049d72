/** @file The forms in which a quantised matrix is held, and how each is made from a checkpoint's matrix. */

import type { PackedForm } from "../backend/device.ts";
import {
  BLOCK,
  blockProduct,
  blocksOf,
  dequantizedBlockProduct,
  dequantizedRowProduct,
  limbProduct,
} from "../graph/quantized.ts";
import { type FileRange, Graph, type Value } from "../graph/value.ts";
import type { DType } from "../tensor.ts";
import { readTensor } from "../weights/safetensors.ts";
import { type BlockRows, blockCodes, dequantizeBlocks, quantizeBlocks } from "./group-wise.ts";
import { floatRows, publishedRows, quantizedRows, type StoredMatrix } from "./matrix.ts";
import type { Preparation, PreparedWeight } from "./prepared-file.ts";
import { dequantizeRows, packPublished, rowScales } from "./quantize.ts";

/**
 * rows: 8-bit codes, transposed, with the published scale for each row.
 * blocks: 4-bit codes for the block kernels, with a scale for each block of a row: the published one of the row where the
 * checkpoint has codes already, else the best for the block.
 * Exact forms are computed with as exactly as float32, the others faster.
 */
export interface Form {
  readonly kind: "rows" | "blocks";
  readonly exact: boolean;
}

/** Whether kernels keep a copy of their own: exact rows do without, and are the same on every machine. */
export const isPacked = ({ kind, exact }: Form): boolean => kind === "blocks" || !exact;

/** Packs the weights of a graph as its kernels want them, and hands them over by their names, as long as `use` lasts. */
export type Pack = (
  graph: Graph,
  use: (packed: ReadonlyMap<string, readonly PackedForm[]>) => Promise<void>,
) => Promise<void>;

/** @param onBytes told of bytes of the checkpoint that were worked on */
export function preparation(
  matrix: StoredMatrix,
  form: Form,
  pack: Pack,
  onBytes: (bytes: number) => void,
): Preparation {
  const numbers = form.kind === "rows" ? transposedRows(matrix, onBytes) : inBlocks(matrix, onBytes);
  if (!isPacked(form)) return numbers;
  return {
    ...numbers,
    bytes: 2 * numbers.bytes,
    async pack(codes, scales, use) {
      const graph = new Graph();
      const x = graph.input("x", "float32", ["tokens", matrix.in]);
      graph.output(formProduct(x, WEIGHT, { ...matrix, form, codes, scales }), "y");
      await pack(graph, (packed) => use(packed.get(WEIGHT) ?? []));
    },
  };
}

const WEIGHT = "weight";

function transposedRows(matrix: StoredMatrix, onBytes: (bytes: number) => void): Preparation {
  const { in: width, out } = matrix;
  return {
    codes: { dtype: "int8", shape: [width, out] },
    scales: { shape: [out] },
    bytes: width * out + 4 * out,
    async write(append) {
      const codes = new Int8Array(width * out);
      const scales = new Float32Array(out);
      let row = 0;
      for await (const part of quantizedRows(matrix, 8)) {
        transposeInto(codes, part.codes, row, width, out);
        scales.set(part.scales, row);
        row += part.scales.length;
        onBytes((part.scales.length * matrix.weight.bytes) / out);
      }
      await append(new Uint8Array(codes.buffer));
      return scales;
    },
  };
}

/** Writes rows, from `first` on, as columns of [width, out]. In tiles, since a column's elements lie far apart. */
function transposeInto(target: Int8Array, rows: Int8Array, first: number, width: number, out: number): void {
  const TILE = 64;
  const count = rows.length / width;
  for (let top = 0; top < count; top += TILE) {
    const bottom = Math.min(top + TILE, count);
    for (let column = 0; column < width; column += 1) {
      const at = column * out + first;
      for (let row = top; row < bottom; row += 1) target[at + row] = rows[row * width + column] as number;
    }
  }
}

function inBlocks(matrix: StoredMatrix, onBytes: (bytes: number) => void): Preparation {
  const { in: width, out } = matrix;
  const count = out * blocksOf(width);
  return {
    codes: { dtype: "uint8", shape: [out, blocksOf(width), BLOCK / 2] },
    scales: { shape: [count] },
    bytes: (count * BLOCK) / 2 + 4 * count,
    async write(append) {
      const scales = new Float32Array(count);
      let block = 0;
      for await (const part of blockRows(matrix)) {
        await append(part.codes);
        scales.set(part.scales, block);
        block += part.scales.length;
        onBytes((part.scales.length * matrix.weight.bytes) / count);
      }
      return scales;
    },
  };
}

async function* blockRows(matrix: StoredMatrix): AsyncGenerator<BlockRows> {
  if (matrix.published) for await (const rows of publishedRows(matrix)) yield blockCodes(rows, matrix.in);
  else for await (const values of floatRows(matrix)) yield quantizeBlocks(values, matrix.in);
}

/** A matrix in a form, where it lies in a file. */
export interface FormedMatrix {
  readonly form: Form;
  readonly in: number;
  readonly out: number;
  readonly codes: FileRange;
  readonly scales: FileRange;
}

/**
 * x [tokens, in] times the matrix, which becomes a weight of the graph by the given name: by its kernel, or, where weights
 * meet many rows as in training, by way of float32 with a gradient.
 */
export function formProduct(x: Value, name: string, { form, in: width, out, codes, scales }: FormedMatrix): Value {
  const { graph } = x;
  const throughFloats = graph.options.manyRows === true;
  // Only its kernel knows what to do with a packed form.
  const range: FileRange = throughFloats ? { file: codes.file, offset: codes.offset, bytes: codes.bytes } : codes;
  const weight = (dtype: DType, shape: readonly number[], scaleCount: number) => ({
    codes: graph.weight(name, dtype, shape, range),
    scales: graph.weight(`${name} scales`, "float32", [scaleCount], scales),
  });
  if (form.kind === "rows") {
    const matrix = weight("int8", [width, out], out);
    return throughFloats ? dequantizedRowProduct(x, matrix) : limbProduct(x, matrix, form.exact);
  }
  const blocks = blocksOf(width);
  const matrix = { in: width, out, ...weight("uint8", [out, blocks, BLOCK / 2], out * blocks) };
  return throughFloats ? dequantizedBlockProduct(x, matrix) : blockProduct(x, matrix, form.exact);
}

/** What a prepared weight stands for: float32 [out, in]. */
export async function readForm({ kind }: Form, width: number, prepared: PreparedWeight): Promise<Float32Array> {
  const scales = await readScales(prepared);
  if (kind === "blocks") return dequantizeBlocks({ codes: await readBytes(prepared), scales }, width);
  return dequantizeRows({ codes: await readRows(width, prepared), scales });
}

/** A matrix in the published scheme, read when it is written. */
export interface PublishedMatrix {
  /** int8 [out, in], or [out, in / 2] with two 4-bit codes a byte. */
  codes(): Promise<Int8Array>;
  /** float32 [out]. */
  scales(): Promise<Float32Array>;
}

/**
 * A held matrix in the published scheme. Blocks have scales of their own, which it has no place for: they are quantised
 * again, from the checkpoint's floats.
 */
export function publishedMatrix(matrix: StoredMatrix, { kind }: Form, prepared: PreparedWeight): PublishedMatrix {
  const { in: width, out } = matrix;
  if (kind === "rows") return { codes: () => readRows(width, prepared), scales: () => readScales(prepared) };
  return {
    async codes() {
      const codes = new Int8Array((out * width) / 2);
      let at = 0;
      for await (const rows of quantizedRows(matrix, 4)) {
        const packed = packPublished(rows.codes);
        codes.set(packed, at);
        at += packed.length;
      }
      return codes;
    },
    async scales() {
      const scales = new Float32Array(out);
      let at = 0;
      for await (const values of floatRows(matrix)) {
        const some = rowScales(values, width, 4);
        scales.set(some, at);
        at += some.length;
      }
      return scales;
    },
  };
}

const readScales = async ({ scales }: PreparedWeight): Promise<Float32Array> =>
  (await readTensor(scales)).data as Float32Array;

const readBytes = async ({ codes }: PreparedWeight): Promise<Uint8Array> =>
  (await readTensor(codes)).data as Uint8Array;

/** int8 [out, in], from the transposed codes. */
async function readRows(width: number, { codes }: PreparedWeight): Promise<Int8Array> {
  const transposed = (await readTensor(codes)).data as Int8Array;
  const rows = new Int8Array(transposed.length);
  transposeInto(rows, transposed, 0, transposed.length / width, width);
  return rows;
}
