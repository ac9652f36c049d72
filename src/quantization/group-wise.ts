/**
 * @file 4-bit codes for the group-wise kernels, with a scale for each group of a row: the published one of the row where the
 * checkpoint has codes already, else the best for the group.
 */
import { BLOCK, blockProduct, blocksOf, dequantizedBlockProduct } from "../graph/quantized.ts";
import { readTensor } from "../weights/safetensors.ts";
import { type Form, throughFloats, unpackedRange } from "./form.ts";
import { type BlockRows, blockCodes, dequantizeBlocks, quantizeBlocks } from "./group-codes.ts";
import { floatRows, publishedRows, quantizedRows, type StoredMatrix } from "./matrix.ts";
import { perChannel } from "./per-channel.ts";
import { packPublished, rowScales } from "./quantize.ts";

/** A scale of 4 bytes, beside which kernels keep a sum. */
const BYTES_PER_GROUP = 8;

export const groupWise = (exact: boolean): Form => ({
  name: exact ? "int4-exact" : "int4-fast",
  exact,
  isPacked: true,
  partsOfProduct: 1,
  // Beside 4-bit modules the head's 8 bits cost no precision; beside 8-bit ones they would, and save little.
  head: exact ? undefined : perChannel(false),
  // Exact codes of floats had the published scales once, one for each row.
  version: (isPublished) => (exact && !isPublished ? 2 : 1),
  bytes: (width, out) => (width * out) / 2 + ((width * out) / BLOCK) * BYTES_PER_GROUP,
  prepare(matrix, onBytes) {
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
  },
  product(x, name, { in: width, out, codes, scales }) {
    const { graph } = x;
    const floats = throughFloats(graph);
    const blocks = blocksOf(width);
    const matrix = {
      ...{ in: width, out },
      codes: graph.weight(name, "uint8", [out, blocks, BLOCK / 2], floats ? unpackedRange(codes) : codes),
      scales: graph.weight(`${name} scales`, "float32", [out * blocks], scales),
    };
    return floats ? dequantizedBlockProduct(x, matrix) : blockProduct(x, matrix, exact);
  },
  async read(width, { codes, scales }) {
    const [read, factors] = [await readTensor(codes), await readTensor(scales)];
    return dequantizeBlocks({ codes: read.data as Uint8Array, scales: factors.data as Float32Array }, width);
  },
  /** Groups have scales of their own, which the scheme has no place for: the checkpoint's floats are quantised again. */
  published: (matrix) => ({
    async codes() {
      const codes = new Int8Array((matrix.out * matrix.in) / 2);
      let at = 0;
      for await (const rows of quantizedRows(matrix, 4)) {
        const packed = packPublished(rows.codes);
        codes.set(packed, at);
        at += packed.length;
      }
      return codes;
    },
    async scales() {
      const scales = new Float32Array(matrix.out);
      let at = 0;
      for await (const values of floatRows(matrix)) {
        const some = rowScales(values, matrix.in, 4);
        scales.set(some, at);
        at += some.length;
      }
      return scales;
    },
  }),
});

async function* blockRows(matrix: StoredMatrix): AsyncGenerator<BlockRows> {
  if (matrix.published) for await (const rows of publishedRows(matrix)) yield blockCodes(rows, matrix.in);
  else for await (const values of floatRows(matrix)) yield quantizeBlocks(values, matrix.in);
}
