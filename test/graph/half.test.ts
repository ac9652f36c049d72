/** @file Products with float16 matrices: both ways against float32, and the gradient of the one that has it. */
import { afterAll, expect, it } from "vitest";
import { compileForCpu } from "../../src/backend/cpu.ts";
import type { Program } from "../../src/backend/program.ts";
import { toFloat16 } from "../../src/float16.ts";
import { gradients } from "../../src/graph/gradient.ts";
import { halfProduct, widenedProduct } from "../../src/graph/half.ts";
import { cast, gemm, mul, reduceSum } from "../../src/graph/ops.ts";
import { partsOf } from "../../src/graph/tables.ts";
import { Graph, type Value } from "../../src/graph/value.ts";
import { type FloatTensor, tensor } from "../../src/tensor.ts";

const [TOKENS, IN, OUT] = [3, 8, 10];
const numbers = (count: number, seed: number): Float32Array =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(seed + 3 * i));
const halves = toFloat16(tensor("float32", [OUT, IN], numbers(OUT * IN, 1)));
const biases = toFloat16(tensor("float32", [OUT], numbers(OUT, 2)));
const x = tensor("float32", [TOKENS, IN], numbers(TOKENS * IN, 3));

const programs: Program[] = [];
afterAll(() => Promise.all(programs.map((program) => program.dispose())));

/** y = product, and the gradient of the sum of y squared. */
async function run(
  product: (x: Value, matrix: Value, bias: Value) => Value,
  largestWeight = 1e9,
): Promise<Record<"y" | "dx", FloatTensor>> {
  const graph = new Graph({ largestWeight, manyRows: true });
  const input = graph.input("x", "float32", [TOKENS, IN]);
  const matrix = graph.constant("float16", [OUT, IN], halves.data);
  const y = product(input, matrix, graph.constant("float16", [OUT], biases.data));
  const [dx] = gradients(reduceSum(mul(y, y), [0, 1], false), [input]);
  graph.output(y, "y");
  graph.output(dx as Value, "dx");
  const program = await compileForCpu(graph);
  programs.push(program);
  return (await program.run({ x })) as Record<"y" | "dx", FloatTensor>;
}

const float = run((input, matrix, bias) =>
  gemm(input, cast(matrix, "float32"), { transB: true }, cast(bias, "float32")),
);

const distance = ({ data }: FloatTensor, other: FloatTensor): number =>
  Math.max(...data.map((value, i) => Math.abs(value - (other.data[i] as number))));

it.each([
  ["whole", 1e9],
  ["in parts", 3 * IN * 2],
])("goes by way of float32, with the gradient, %s", async (_, largestWeight) => {
  const wide = await run((input, matrix, bias) => widenedProduct(input, partsOf(matrix), bias), largestWeight);
  const expected = await float;
  expect(distance(wide.y, expected.y)).toBeLessThan(1e-5);
  expect(distance(wide.dx, expected.dx)).toBeLessThan(1e-5);
});

it.each([
  ["whole", 1e9],
  ["in parts", 3 * IN * 2],
])("multiplies in float16, %s", async (_, largestWeight) => {
  const graph = new Graph({ largestWeight });
  const input = graph.input("x", "float32", [TOKENS, IN]);
  const matrix = graph.constant("float16", [OUT, IN], halves.data);
  const bias = graph.constant("float16", [OUT], biases.data);
  graph.output(halfProduct(cast(input, "float16"), partsOf(matrix), bias), "y");
  const program = await compileForCpu(graph);
  programs.push(program);
  const { y } = (await program.run({ x })) as { y: FloatTensor };
  // Ten bits of fraction, of numbers up to 8.
  expect(distance(y, (await float).y)).toBeLessThan(2e-2);
});
