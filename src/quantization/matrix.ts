/** @file A weight matrix of a checkpoint, a few rows at a time: large ones are never in memory as a whole. */

import { GlmError } from "../errors.ts";
import { toFloat32 } from "../float32.ts";
import { elementSize, sizeOf, type Tensor } from "../tensor.ts";
import { mustBeFinite } from "../weights/finite.ts";
import { readTensor } from "../weights/safetensors.ts";
import type { StoredTensor } from "../weights/stored.ts";
import { type Bits, dequantizeRows, type QuantizedRows, quantizeRows, unpackPublished } from "./quantize.ts";

/** A matrix [out, in]: floats, or codes as published with a scale for each row. */
export interface StoredMatrix {
  readonly in: number;
  readonly out: number;
  readonly weight: StoredTensor;
  readonly published?: { readonly bits: Bits; readonly scales: StoredTensor };
}

/** Elements that are worked on at a time. */
const SLAB = 2 ** 22;

/** Its rows as float32, in order. */
export async function* floatRows(matrix: StoredMatrix): AsyncGenerator<Float32Array> {
  if (matrix.published) for await (const rows of publishedRows(matrix)) yield dequantizeRows(rows);
  else for await (const part of slabs(matrix.weight, matrix.in)) yield toFloat32(part).data;
}

/**
 * Its rows in the published scheme: as they are, or quantised here.
 * @throws GlmError "model-invalid" for numbers that are none, "unsupported" for such as the scheme's float16 cannot hold
 */
export async function* quantizedRows(matrix: StoredMatrix, bits: Bits): AsyncGenerator<QuantizedRows> {
  if (matrix.published?.bits === bits) yield* publishedRows(matrix);
  else {
    for await (const values of floatRows(matrix)) {
      const rows = quantizeRows(values, matrix.in, bits);
      if (!rows.scales.every((scale) => Number.isFinite(scale))) throw tooLarge(matrix.weight, bits);
      yield rows;
    }
  }
}

const tooLarge = ({ file, name }: StoredTensor, bits: Bits): GlmError =>
  new GlmError(
    "unsupported",
    `${file}: ${name}: expected numbers up to 65504, which the published int${bits} computes with, got larger ones. ` +
      'Load the model without quantize, or with quantize: "int4", and do not save it quantised.',
  );

/** Its rows as published: codes and scales of the checkpoint. */
export async function* publishedRows({ weight, published, in: width }: StoredMatrix): AsyncGenerator<QuantizedRows> {
  if (!published) throw new Error(`${weight.name} is not quantised`);
  const stored = await readTensor(published.scales);
  mustBeFinite(published.scales, stored);
  const scales = toFloat32(stored).data;
  let row = 0;
  for await (const { data } of slabs(weight, (width * published.bits) / 8)) {
    const codes = published.bits === 4 ? unpackPublished(data as Int8Array) : (data as Int8Array);
    const count = codes.length / width;
    yield { codes, scales: scales.subarray(row, row + count) };
    row += count;
  }
}

/**
 * Whole rows of a stored matrix, each of `width` elements, in its own type.
 * @throws GlmError "model-invalid" when one of the numbers is none
 */
export async function* slabs(stored: StoredTensor, width: number): AsyncGenerator<Tensor> {
  const rows = sizeOf(stored.shape) / width;
  const rowBytes = width * elementSize[stored.dtype];
  const step = Math.max(1, Math.floor(SLAB / width));
  const read = (row: number): Promise<Tensor> => {
    const count = Math.min(step, rows - row);
    return readTensor({
      ...stored,
      shape: [count, width],
      offset: stored.offset + row * rowBytes,
      bytes: count * rowBytes,
    });
  };
  // The next one is read while this one is worked on, which pays for looking at the numbers.
  let next = rows > 0 ? read(0) : undefined;
  for (let row = 0; next; row += step) {
    const part = await next;
    next = row + step < rows ? read(row + step) : undefined;
    // Who stops here does not want it any more.
    next?.catch(() => undefined);
    mustBeFinite(stored, part, row * width);
    yield part;
  }
}
