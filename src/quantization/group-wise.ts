/**
 * @file 4- or 8-bit codes for the group-wise kernels, with a scale for each group of a row: the published one of the row where
 * the checkpoint has codes already or the scheme has 8 bits, else the best for the group.
 */

import { BLOCK, type BlockBits, blockBytes, blocksOf } from "../graph/block-matrix.ts";
import { add } from "../graph/ops.ts";
import { blockProduct, dequantizedBlockProduct, packedBlockProduct } from "../graph/quantized.ts";
import type { FileRange } from "../graph/value.ts";
import { readTensor } from "../weights/safetensors.ts";
import { type Form, throughFloats, unpackedRange } from "./form.ts";
import { type BlockRows, blockCodes, dequantizeBlocks, quantizeBlocks } from "./group-codes.ts";
import { floatRows, publishedRows, quantizedRows, type StoredMatrix } from "./matrix.ts";
import { packPublished } from "./quantize.ts";

/** A scale of 4 bytes, beside which kernels that pack keep a sum. */
const BYTES_PER_GROUP = { packed: 8, plain: 4 } as const;

export interface GroupWise {
  readonly bits: BlockBits;
  readonly exact: boolean;
  readonly isPacked: boolean;
  readonly head: Form | undefined;
}

export const groupWise = ({ bits, exact, isPacked, head }: GroupWise): Form => ({
  name: `int${bits}-${exact ? "exact" : "fast"}`,
  exact,
  isPacked,
  partsOfProduct: 1,
  head,
  // Exact 4-bit codes of floats had the published scales once, one for each row.
  version: (isPublished) => (bits === 4 && exact && !isPublished ? 2 : 1),
  bytes: (width, out) =>
    (width * out * bits) / 8 + ((width * out) / BLOCK) * BYTES_PER_GROUP[isPacked ? "packed" : "plain"],
  prepare(matrix, onBytes) {
    const { in: width, out } = matrix;
    const count = out * blocksOf(width);
    return {
      codes: { dtype: "uint8", shape: [out, blocksOf(width), blockBytes(bits)] },
      scales: { shape: [count] },
      bytes: count * blockBytes(bits) + 4 * count,
      async write(append) {
        const scales = new Float32Array(count);
        let block = 0;
        for await (const part of blockRows(matrix, bits)) {
          await append(part.codes);
          scales.set(part.scales, block);
          block += part.scales.length;
          onBytes((part.scales.length * matrix.weight.bytes) / count);
        }
        return scales;
      },
    };
  },
  product(x, name, { in: width, out, codes, scales }, bias) {
    const { graph } = x;
    const floats = throughFloats(graph);
    const blocks = blocksOf(width);
    const shape = [out, blocks, blockBytes(bits)];
    const size = { in: width, out, bits, scales: graph.weight(`${name} scales`, "float32", [out * blocks], scales) };
    const bound = (as: string, range: FileRange) => ({ ...size, codes: graph.weight(as, "uint8", shape, range) });
    if (!floats) return blockProduct(x, bound(name, codes), exact, bias);
    const plain = bound(name, unpackedRange(codes));
    // A kernel that packs each time anew takes longer than the way through float32, and a fast one is not exact.
    const isReady = exact && bits === 4 && codes.packed !== undefined && codes.packed.length > 0;
    const y = isReady
      ? packedBlockProduct(x, bound(`${name} packed`, codes), plain)
      : dequantizedBlockProduct(x, plain);
    return bias ? add(y, bias) : y;
  },
  async read(width, { codes, scales }) {
    const [read, factors] = [await readTensor(codes), await readTensor(scales)];
    return dequantizeBlocks({ codes: read.data as Uint8Array, scales: factors.data as Float32Array }, width, bits);
  },
  /** Groups may have scales of their own, which the scheme has no place for: the checkpoint is quantised again. */
  published: (matrix) => ({
    async codes() {
      const codes = new Int8Array((matrix.out * matrix.in * bits) / 8);
      let at = 0;
      for await (const rows of quantizedRows(matrix, bits)) {
        const packed = bits === 4 ? packPublished(rows.codes) : rows.codes;
        codes.set(packed, at);
        at += packed.length;
      }
      return codes;
    },
    async scales() {
      const scales = new Float32Array(matrix.out);
      let at = 0;
      for await (const rows of quantizedRows(matrix, bits)) {
        scales.set(rows.scales, at);
        at += rows.scales.length;
      }
      return scales;
    },
  }),
});

async function* blockRows(matrix: StoredMatrix, bits: BlockBits): AsyncGenerator<BlockRows> {
  if (bits === 8) for await (const rows of quantizedRows(matrix, 8)) yield blockCodes(rows, matrix.in, 8);
  else if (matrix.published) for await (const rows of publishedRows(matrix)) yield blockCodes(rows, matrix.in, 4);
  else for await (const values of floatRows(matrix)) yield quantizeBlocks(values, matrix.in);
}
