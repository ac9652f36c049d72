/** @file Graphs as ONNX files, read back by onnxruntime: types, shapes, names, constants, weights in files. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compileForCpu } from "../../src/backend/cpu.ts";
import { encode } from "../../src/graph/encode.ts";
import { add, concat, exp, identity, neg, reshape, scale } from "../../src/graph/ops.ts";
import { Graph, type Value } from "../../src/graph/value.ts";
import { type DType, type Tensor, tensor } from "../../src/tensor.ts";
import { evaluate, floatTensor } from "./run.ts";

const scratch = mkdtempSync(join(tmpdir(), "glmlab-encode-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const samples = {
  float64: tensor("float64", [3], Float64Array.of(1 / 3, -0, Number.NaN)),
  float32: tensor("float32", [3], Float32Array.of(1e-45, Number.NEGATIVE_INFINITY, 0.1)),
  int64: tensor("int64", [3], BigInt64Array.of(2n ** 62n, -(2n ** 63n), -1n)),
  int32: tensor("int32", [3], Int32Array.of(2 ** 31 - 1, -(2 ** 31), 7)),
  int8: tensor("int8", [3], Int8Array.of(127, -128, 0)),
  uint8: tensor("uint8", [3], Uint8Array.of(255, 0, 1)),
  bool: tensor("bool", [3], Uint8Array.of(1, 0, 1)),
} satisfies Partial<Record<DType, Tensor>>;

describe.each(Object.values(samples))("$dtype", (sample) => {
  it("goes in and comes out bit for bit, as an input, a constant and a weight in a file", async () => {
    const graph = new Graph();
    const file = join(scratch, `${sample.dtype}.bin`);
    const offset = 64;
    const bytes = Buffer.from(sample.data.buffer);
    // As large as real weights are: onnxruntime reads smaller ones while it loads a model, and then wants a model file.
    const rows = 100;
    const many = Buffer.concat(Array(rows).fill(bytes));
    writeFileSync(file, Buffer.concat([Buffer.alloc(offset, 0xab), many, Buffer.alloc(5, 0xcd)]));
    const x = graph.input("x", sample.dtype, ["size", 3]);
    const weight = graph.weight("w", sample.dtype, [rows, 3], { file, offset, bytes: many.length });
    const constant = graph.constant(sample.dtype, [1, 3], sample.data);
    graph.output(concat([weight, x, constant], 0), "y");
    const program = await compileForCpu(graph);
    const { y } = await program.run({ x: { ...sample, shape: [1, 3] } });
    await program.dispose();
    expect(y).toMatchObject({ dtype: sample.dtype, shape: [rows + 2, 3] });
    expect(Buffer.from(y?.data.buffer as ArrayBuffer)).toEqual(Buffer.concat([many, bytes, bytes]));
  });
});

describe("names and shapes", () => {
  it("declares known sizes, which onnxruntime then checks, and leaves others open", async () => {
    const graph = new Graph();
    graph.output(exp(graph.input("x", "float64", ["rows", 2])), "y");
    const program = await compileForCpu(graph);
    for (const rows of [1, 5]) {
      const results = await program.run({ x: floatTensor("float64", [rows, 2], Array(rows * 2).fill(0)) });
      expect(results.y?.shape).toEqual([rows, 2]);
    }
    await expect(program.run({ x: floatTensor("float64", [2, 3], Array(6).fill(0)) })).rejects.toThrow(/dimension/);
    await program.dispose();
  });

  it("gives one value several names, and a value that no node makes", async () => {
    const results = await evaluate(
      (graph) => {
        const x = graph.input("x", "float64", [2]);
        const y = neg(x);
        return { y, "y again": y, "x itself": x, "later use": neg(y), constant: graph.scalar(4, "float64") };
      },
      { x: floatTensor("float64", [2], [0, 1]) },
    );
    expect(results).toEqual({
      y: [-0, -1],
      "y again": [-0, -1],
      "x itself": [0, 1],
      "later use": [0, 1],
      constant: [4],
    });
  });

  it("refuses a name that is taken", () => {
    const graph = new Graph();
    const x = graph.input("x", "float32", [1]);
    graph.output(neg(x), "y");
    const taken = (name: string) => `the graph has a value "${name}" already: names must differ`;
    expect(() => graph.input("x", "float32", [1])).toThrow(taken("x"));
    expect(() => graph.weight("y", "float32", [1], { file: "/f", offset: 0, bytes: 4 })).toThrow(taken("y"));
    expect(() => graph.output(exp(x), "x")).toThrow(taken("x"));
  });

  it("refuses values of another graph", () => {
    const [x, other] = [new Graph(), new Graph()].map((graph) => graph.input("x", "float32", [1])) as [Value, Value];
    expect(() => add(x, other)).toThrow('Add: "x" belongs to another graph');
  });

  it("looks up several unknown sizes of a shape when the graph runs", async () => {
    const results = await evaluate(
      (graph) => {
        const x = graph.input("x", "float64", ["rows", "columns"]);
        const turned = reshape(x, ["columns", 1, "rows"]);
        graph.output(turned, "turned");
        return { flat: reshape(turned, ["everything"]) };
      },
      { x: floatTensor("float64", [2, 3], [1, 2, 3, 4, 5, 6]) },
    );
    expect(results).toEqual({ turned: [1, 2, 3, 4, 5, 6], flat: [1, 2, 3, 4, 5, 6] });
  });
});

describe("what is written", () => {
  it("leaves out nodes and constants that no output depends on", () => {
    const build = (extra: boolean): Uint8Array => {
      const graph = new Graph();
      const x = graph.input("x", "float32", [4]);
      const y = neg(x);
      if (extra) scale(exp(y), 123);
      graph.output(y, "y");
      return encode(graph);
    };
    expect(build(true)).toEqual(build(false));
  });

  it("holds small constants that are equal once, and never mixes up dtypes or shapes", () => {
    const graph = new Graph();
    expect(graph.scalar(2)).toBe(graph.scalar(2));
    expect(graph.indices([1, 2])).toBe(graph.indices([1, 2]));
    const different = [
      graph.scalar(2),
      graph.scalar(2, "float64"),
      graph.constant("float32", [1], Float32Array.of(2)),
      graph.indices([2]),
      graph.constant("float32", [], Float32Array.of(-2)),
    ];
    expect(new Set(different).size).toBe(different.length);
  });

  it("tells -0 from 0", async () => {
    const results = await evaluate((graph) => ({
      zero: identity(graph.scalar(0, "float64")),
      "minus zero": identity(graph.scalar(-0, "float64")),
    }));
    expect(results).toEqual({ zero: [0], "minus zero": [-0] });
  });
});
