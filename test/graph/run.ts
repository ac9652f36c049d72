/** @file Small graphs for tests: random operands, one run through onnxruntime, gradients by central differences. */
import { compileForCpu } from "../../src/backend/cpu.ts";
import type { Tensors } from "../../src/backend/program.ts";
import { Graph, type GraphOptions, type Shape, type Value } from "../../src/graph/value.ts";
import type { RandomStream } from "../../src/random.ts";
import { type Tensor, tensor } from "../../src/tensor.ts";

/** The dtypes in which gradients are checked. */
export type Precision = "float32" | "float64";

export function floatTensor(dtype: Precision, shape: readonly number[], elements: readonly number[]): Tensor {
  return dtype === "float64"
    ? tensor(dtype, shape, Float64Array.from(elements))
    : tensor(dtype, shape, Float32Array.from(elements));
}

export const int64 = (shape: readonly number[], elements: readonly number[]): Tensor<"int64"> =>
  tensor("int64", shape, BigInt64Array.from(elements, BigInt));

/** Elements from -1 to 1, or from `low` to `high`. */
export function uniforms(stream: RandomStream, size: number, low = -1, high = 1): number[] {
  return Array.from({ length: size }, () => low + (high - low) * stream.uniform());
}

/** Builds a graph whose outputs are the record's values, and runs it once. */
export async function evaluate(
  build: (graph: Graph) => Readonly<Record<string, Value>>,
  inputs: Tensors = {},
  options: GraphOptions = {},
): Promise<Record<string, number[]>> {
  const graph = new Graph(options);
  for (const [name, value] of Object.entries(build(graph))) graph.output(value, name);
  const program = await compileForCpu(graph);
  const results = await program.run(inputs);
  await program.dispose();
  return Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, Array.from(data, Number)]));
}

/** The same sizes by name, so that they are only known when the graph runs. A size of 1 stays: it may be repeated. */
export const symbolic = (shape: Shape): Shape => shape.map((size) => (size === 1 ? 1 : `size ${size}`));

/** d f / d operand for each element of each operand, by central differences. */
export async function centralDifferences(
  f: (operands: readonly Tensor[]) => Promise<number> | number,
  operands: readonly Tensor[],
  step: number,
): Promise<number[][]> {
  const slopes: number[][] = [];
  for (const { data } of operands) {
    const elements = data as Float64Array;
    const slope: number[] = [];
    for (let i = 0; i < elements.length; i += 1) {
      const before = elements[i] as number;
      elements[i] = before + step;
      const [above, up] = [elements[i] as number, await f(operands)];
      elements[i] = before - step;
      const [below, down] = [elements[i] as number, await f(operands)];
      elements[i] = before;
      slope.push((up - down) / (above - below));
    }
    slopes.push(slope);
  }
  return slopes;
}

/** max |a - b| / max |b|; the gradients here are of the order of 1, and those that vanish are only noise. */
export function relativeError(actual: readonly number[], expected: readonly number[]): number {
  if (actual.length !== expected.length) return Number.POSITIVE_INFINITY;
  const gaps = actual.map((a, i) => Math.abs(a - (expected[i] as number)));
  return Math.max(...gaps) / Math.max(1e-3, ...expected.map(Math.abs));
}
