/** @file Quantisation against the packed tensors of the published code, bit for bit, and the forms that kernels read. */
import { describe, expect, it } from "vitest";
import { roundToFloat16, toFloat16 } from "../../src/float16.ts";
import { toFloat32 } from "../../src/float32.ts";
import { BLOCK, blocksOf } from "../../src/graph/block-matrix.ts";
import { blockCodes, dequantizeBlocks, quantizeBlocks } from "../../src/quantization/group-codes.ts";
import {
  dequantizeRows,
  largestCode,
  packPublished,
  quantizeRows,
  rowScales,
  unpackPublished,
} from "../../src/quantization/quantize.ts";
import { randomStream } from "../../src/random.ts";
import { tensor } from "../../src/tensor.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { oracleFolder } from "../oracle.ts";

const random = (length: number, seed = 0): Float32Array => {
  const stream = randomStream(seed, "quantize");
  return Float32Array.from({ length }, () => stream.normal());
};

describe.each([8, 4] as const)("%i bits", (bits) => {
  it.each(["chatglm-6b", "chatglm2-6b"])("packs the weights of %s as published, bit for bit", async (family) => {
    const packed = await openCheckpoint(oracleFolder(`${family}-int${bits}`));
    const floats = await openCheckpoint(oracleFolder(family));
    const names = [...packed.tensors.keys()].filter((name) => name.endsWith(".weight_scale"));
    expect(names).toHaveLength(8);
    for (const scaleName of names) {
      const name = scaleName.slice(0, -"_scale".length);
      const weight = toFloat32(await floats.read(name));
      const { codes, scales } = quantizeRows(weight.data, weight.shape[1] as number, bits);
      expect(rowScales(weight.data, weight.shape[1] as number, bits), name).toEqual(scales);
      const published = (await packed.read(name)).data;
      expect(bits === 4 ? packPublished(codes) : codes, name).toEqual(published);
      expect(toFloat16(tensor("float32", [scales.length], scales)).data, name).toEqual(
        (await packed.read(scaleName)).data,
      );
    }
  });

  it("is off by half a step at most, and keeps rows of zeros", () => {
    const values = random(6 * 40);
    values.fill(0, 40, 80);
    const rows = quantizeRows(values, 40, bits);
    const back = dequantizeRows(rows);
    values.forEach((value, i) => {
      // float16 rounding of value, scale and quotient comes on top.
      const step = rows.scales[Math.floor(i / 40)] as number;
      expect(Math.abs((back[i] as number) - value)).toBeLessThanOrEqual(step * (0.5 + 0.01 * largestCode(bits)));
    });
    expect(back.subarray(40, 80)).toEqual(new Float32Array(40));
  });
});

describe.each([4, 8] as const)("blocks of %i bits", (bits) => {
  it.each([40, BLOCK, 3 * BLOCK + 2])("take rows of %i columns in and give them back", (columns) => {
    const rows = quantizeRows(random(3 * columns), columns, bits);
    const blocks = blockCodes(rows, columns, bits);
    expect(blocks.codes).toHaveLength((3 * blocksOf(columns) * BLOCK * bits) / 8);
    expect(dequantizeBlocks(blocks, columns, bits)).toEqual(dequantizeRows(rows));
  });
});

describe("blocks of 4 bits", () => {
  it("are quantised each by its own largest element, which stays exact", () => {
    const columns = 2 * BLOCK + 10;
    const values = random(4 * columns);
    for (let i = 0; i < values.length; i += 1) if (i % columns >= BLOCK) values[i] = (values[i] as number) * 100;
    values.fill(0, 0, BLOCK);
    const back = dequantizeBlocks(quantizeBlocks(values, columns), columns, 4);
    for (let row = 0; row < 4; row += 1) {
      for (let from = row * columns; from < (row + 1) * columns; from += BLOCK) {
        const [block, found] = [values, back].map((all) =>
          all.subarray(from, Math.min(from + BLOCK, (row + 1) * columns)),
        );
        const sizes = Array.from(block as Float32Array, Math.abs);
        const largest = Math.max(...sizes);
        const errors = sizes.map((_, i) => Math.abs((found?.[i] as number) - (block?.[i] as number)));
        // They end one code earlier on the other side: what lies there is off by up to a whole step.
        expect(Math.max(...errors)).toBeLessThanOrEqual(largest / 8);
        expect(errors[sizes.indexOf(largest)]).toBeLessThanOrEqual(largest * 1e-6);
      }
    }
  });
});

it("unpacks every published byte and packs it again", () => {
  const bytes = Int8Array.from({ length: 256 }, (_, i) => i - 128);
  const codes = unpackPublished(bytes);
  expect([...codes.subarray(0, 4)]).toEqual([-8, 0, -8, 1]);
  expect(packPublished(codes)).toEqual(bytes);
});

it("rounds to float16 as writing and reading it does", () => {
  const words = Uint32Array.from({ length: 200_000 }, (_, i) => Math.imul(i, 0x9e3779b1));
  const edges = [
    0,
    -0,
    65504,
    65519.99,
    65520,
    -7e4,
    2 ** -14,
    2 ** -14 - 2 ** -26,
    2 ** -25,
    3 * 2 ** -25,
    Number.NaN,
  ];
  const values = new Float32Array(words.buffer.slice(0));
  values.set(edges);
  const expected = toFloat32(toFloat16(tensor("float32", [values.length], Float32Array.from(values)))).data;
  roundToFloat16(values);
  // Object.is tells apart the two zeros.
  expect(values.findIndex((value, i) => !Object.is(value, expected[i]))).toBe(-1);
});
