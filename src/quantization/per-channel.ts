/** @file 8-bit codes with one scale for each row of a matrix, as ChatGLM publishes them; they lie transposed, [in, out]. */
import { add } from "../graph/ops.ts";
import { dequantizedRowProduct, limbProduct } from "../graph/quantized.ts";
import { readTensor } from "../weights/safetensors.ts";
import { type Form, throughFloats, unpackedRange } from "./form.ts";
import { quantizedRows } from "./matrix.ts";
import type { PreparedWeight } from "./prepared-file.ts";
import { dequantizeRows } from "./quantize.ts";

/** Exact ones need no packing, and are the same on every machine. */
export const perChannel = (exact: boolean): Form => ({
  name: exact ? "int8-exact" : "int8-fast",
  exact,
  isPacked: !exact,
  // Exact products are computed in four parts.
  partsOfProduct: 4,
  head: undefined,
  version: () => 1,
  bytes: (width, out) => width * out,
  prepare(matrix, onBytes) {
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
  },
  product(x, name, { in: width, out, codes, scales }, bias) {
    const { graph } = x;
    const floats = throughFloats(graph);
    const matrix = {
      codes: graph.weight(name, "int8", [width, out], floats ? unpackedRange(codes) : codes),
      scales: graph.weight(`${name} scales`, "float32", [out], scales),
    };
    const y = floats ? dequantizedRowProduct(x, matrix) : limbProduct(x, matrix, exact);
    return bias ? add(y, bias) : y;
  },
  read: async (width, prepared) =>
    dequantizeRows({ codes: await readCodes(width, prepared), scales: await readScales(prepared) }),
  published: ({ in: width }, prepared) => ({
    codes: () => readCodes(width, prepared),
    scales: () => readScales(prepared),
  }),
});

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

const readScales = async ({ scales }: PreparedWeight): Promise<Float32Array> =>
  (await readTensor(scales)).data as Float32Array;

/** int8 [out, in], from the transposed codes. */
async function readCodes(width: number, { codes }: PreparedWeight): Promise<Int8Array> {
  const transposed = (await readTensor(codes)).data as Int8Array;
  const rows = new Int8Array(transposed.length);
  transposeInto(rows, transposed, 0, transposed.length / width, width);
  return rows;
}
