/** @file The published kinds of files, in PyTorch's format, against the float32 weights that they were made of. */
import { describe, expect, test } from "vitest";
import { toFloat16 } from "../../src/float16.ts";
import { toFloat32 } from "../../src/float32.ts";
import { type Tensor, tensor } from "../../src/tensor.ts";
import { type Checkpoint, openCheckpoint } from "../../src/weights/checkpoint.ts";
import { oracleFolder } from "../oracle.ts";

const halves = (source: Tensor): Tensor<"float16"> => toFloat16(toFloat32(source));

/** A result that PyTorch computes in float32 and rounds to float16. */
const half = (values: Float32Array): Tensor<"float16"> => toFloat16(tensor("float32", [values.length], values));

/** Bit for bit. On large arrays toEqual would take seconds. */
function expectSame(actual: Tensor, expected: Tensor, name: string): void {
  expect([actual.dtype, actual.shape], name).toEqual([expected.dtype, expected.shape]);
  const [a, b] = [actual.data, expected.data].map((data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength));
  expect(a?.equals(b as Buffer), name).toBe(true);
}

async function expectHalves(found: Checkpoint, base: Checkpoint, names: Iterable<string>): Promise<number> {
  let count = 0;
  for (const name of names) {
    expectSame(await found.read(name), halves(await base.read(name)), name);
    count += 1;
  }
  return count;
}

test.each([
  ["chatglm-6b", 30],
  ["chatglm2-6b", 18],
])("%s in float16 shards", async (family, count) => {
  const found = await openCheckpoint(oracleFolder(`${family}-fp16-bin`));
  const base = await openCheckpoint(oracleFolder(family));
  expect([...found.tensors.keys()].sort()).toEqual([...base.tensors.keys()].sort());
  expect(new Set([...found.tensors.values()].map(({ file }) => file)).size).toBe(2);
  expect(await expectHalves(found, base, found.tensors.keys())).toBe(count);
});

describe.each(["chatglm-6b", "chatglm2-6b"])("%s", (family) => {
  test.each([8, 4])("in int%i: every byte as the published scheme makes it", async (bits) => {
    const found = await openCheckpoint(oracleFolder(`${family}-int${bits}`));
    const base = await openCheckpoint(oracleFolder(family));
    const scales = [...found.tensors.keys()].filter((name) => name.endsWith(".weight_scale"));
    expect(scales).toHaveLength(8);
    for (const name of scales) {
      const weight = name.slice(0, -"_scale".length);
      const { scale, packed } = quantized(halves(await base.read(weight)), bits);
      expectSame(await found.read(name), scale, name);
      expectSame(await found.read(weight), packed, weight);
    }
    const plain = [...base.tensors.keys()].filter((name) => !scales.includes(`${name}_scale`));
    expect(await expectHalves(found, base, plain)).toBe(base.tensors.size - 8);
  });
});

/** The published scheme, in float16 as it was run: symmetric by row; two columns share a byte in int4, the even one above. */
function quantized(source: Tensor, bits: number): { scale: Tensor; packed: Tensor } {
  const { data, shape } = toFloat32(source);
  const [rows, columns] = shape as [number, number];
  const row = (r: number): Float32Array => data.subarray(r * columns, (r + 1) * columns);
  const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  const scale = half(Float32Array.from({ length: rows }, (_, r) => largest(row(r)) / (2 ** (bits - 1) - 1)));
  const scales = toFloat32(scale).data;
  const steps = toFloat32(half(data.map((value, i) => value / (scales[Math.floor(i / columns)] as number)))).data;
  const integers = Int8Array.from(steps, roundToEven);
  if (bits === 8) return { scale, packed: tensor("int8", shape, integers) };
  const packed = Int8Array.from({ length: integers.length / 2 }, (_, i) => {
    const [high, low] = [integers[2 * i] as number, integers[2 * i + 1] as number];
    return (high << 4) | (low & 15);
  });
  return { scale, packed: tensor("int8", [rows, columns / 2], packed) };
}

function roundToEven(value: number): number {
  const floor = Math.floor(value);
  const tie = value - floor === 0.5;
  return tie ? floor + (Math.abs(floor) % 2) : Math.round(value);
}
