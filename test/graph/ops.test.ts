/** @file What operators refuse, and how shapes are inferred. */
import { describe, expect, it } from "vitest";
import { add, concat, expandLike, gemm, matmul, mul, reduceSum, reshape, split } from "../../src/graph/ops.ts";
import { broadcast, oneOr, repeatedAxes } from "../../src/graph/shape.ts";
import { Graph, type Shape, type Value } from "../../src/graph/value.ts";

const graph = new Graph();
let inputs = 0;
const value = (shape: Shape, dtype: "float32" | "float64" = "float32"): Value => {
  inputs += 1;
  return graph.input(`input ${inputs}`, dtype, shape);
};

describe("broadcast", () => {
  it.each([
    [[], [], []],
    [[3], [], [3]],
    [[2, 1], [3], [2, 3]],
    [
      ["batch", 1, 4],
      ["seq", 1],
      ["batch", "seq", 4],
    ],
    [["batch"], ["batch"], ["batch"]],
    [["batch"], [7], [7]],
    [["batch"], [oneOr("batch")], ["batch"]],
    [[oneOr("batch")], ["batch"], ["batch"]],
  ] as const)("%j with %j is %j", (a, b, result) => {
    expect(broadcast("Add", a, b)).toEqual(result);
  });

  it.each([
    [[2], [3]],
    [["batch"], ["seq"]],
  ] as const)("refuses %j with %j", (a, b) => {
    expect(() => broadcast("Add", a, b)).toThrow(`Add: shapes [${a}] and [${b}] do not broadcast`);
  });

  it("knows which axes of the result were repeated, and when that depends on the run", () => {
    expect(repeatedAxes([1, 4], [2, 3, 4])).toEqual([0, 1]);
    expect(repeatedAxes([1], [1])).toEqual([]);
    expect(() => repeatedAxes([oneOr("batch"), 4], ["batch", 4])).toThrow("what was repeated from [1 or batch, 4]");
  });
});

describe("operators refuse operands that do not fit", () => {
  it.each<[string, () => Value | readonly Value[], string]>([
    [
      "dtypes that differ",
      () => add(value([1]), value([1], "float64")),
      "Add: operands differ in dtype: float32 and float64",
    ],
    [
      "inner sizes that differ",
      () => matmul(value([2, 3]), value([4, 2])),
      "MatMul: inner sizes differ: [2, 3] and [4, 2]",
    ],
    [
      "the same of a Gemm",
      () => gemm(value([2, 3]), value([3, 2]), { transB: true }),
      "Gemm: inner sizes differ: [2, 3] and [3, 2]",
    ],
    [
      "a Gemm of more than matrices",
      () => gemm(value([1, 2, 3]), value([3, 2])),
      "Gemm: expected two matrices, got [1, 2, 3] and [3, 2]",
    ],
    [
      "an addend of another size",
      () => gemm(value([2, 3]), value([3, 4]), {}, value([5])),
      "Gemm: shapes [5] and [2, 4] do not broadcast",
    ],
    [
      "an addend larger than the product",
      () => gemm(value([1, 3]), value([3, 4]), {}, value([2, 4])),
      "Gemm: an addend [2, 4] does not fit a product [1, 4]",
    ],
    [
      "vectors in a matrix product",
      () => matmul(value([3]), value([3, 2])),
      "MatMul: operands need a rank of 2 or more",
    ],
    [
      "parts that are not the whole",
      () => split(value([2, 5]), [2, 2], 1),
      "Split: axis 1 of [2, 5] cannot be cut into [2, 2]",
    ],
    ["a shape of other size", () => reshape(value([2, 3]), [4, 2]), "Reshape: [2, 3] has 6 elements, [4, 2] has 8"],
    ["nothing to join", () => concat([], 0), "Concat: nothing to join"],
  ])("%s", (_, build, message) => {
    expect(build).toThrow(message);
  });
});

describe("shapes", () => {
  it("of reductions keep or drop their axes", () => {
    const x = value(["batch", 3, 4]);
    expect(reduceSum(x, [-1, 0]).shape).toEqual([1, 3, 1]);
    expect(reduceSum(x, [-1, 0], false).shape).toEqual([3]);
  });

  it("of joined unknown sizes are their sum", () => {
    expect(concat([value(["a", 2]), value(["b", 2])], 0).shape).toEqual(["a+b", 2]);
    expect(concat([value([1, 2]), value([3, 2])], -2).shape).toEqual([4, 2]);
  });

  it("make no node where broadcasting repeats anyway", () => {
    const [x, y] = [value([3, 1]), value([3, 4])];
    expect(mul(expandLike(x, y), y).node?.inputs).toEqual([x, y]);
    expect(mul(y, expandLike(x, y)).node?.inputs).toEqual([y, x]);
    // Both were repeated: one of them must be, for the result to have that shape.
    const both = mul(expandLike(x, y), expandLike(x, y));
    expect(both.node?.inputs.map((input) => input?.shape)).toEqual([
      [3, 1],
      [3, 4],
    ]);
  });
});
