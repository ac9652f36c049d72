/** @file Every gradient rule against central finite differences, on random shapes with broadcasting. */
import { describe, expect, it } from "vitest";
import { compileForCpu } from "../../src/backend/cpu.ts";
import type { Tensors } from "../../src/backend/program.ts";
import { gradients } from "../../src/graph/gradient.ts";
import { mul, reduceSum } from "../../src/graph/ops.ts";
import { type Differentiable, rules } from "../../src/graph/rules.ts";
import { Graph, type Shape } from "../../src/graph/value.ts";
import { randomStream } from "../../src/random.ts";
import { sizeOf, type Tensor } from "../../src/tensor.ts";
import { cases, type Drawn } from "./cases.ts";
import { centralDifferences, floatTensor, type Precision, relativeError, symbolic, uniforms } from "./run.ts";

const DRAWS = 6;

/** Operators that onnxruntime computes in float32 only; the others are checked in float64. */
const float32Only: ReadonlySet<Differentiable> = new Set(["FusedMatMul", "Gelu", "QuickGelu", "RotaryEmbedding"]);

/** How far apart the points of a central difference lie, and how well it and a reference must agree with a gradient. */
const CHECK = {
  float64: { step: 1e-5, differences: 1e-6, reference: 1e-6 },
  float32: { step: 1e-2, differences: 1e-2, reference: 1e-5 },
} as const;

describe.each(Object.keys(rules) as Differentiable[])("%s", (op) => {
  const dtype = float32Only.has(op) ? "float32" : "float64";

  it.each(Array.from({ length: DRAWS }, (_, draw) => draw))("passes its gradient back (draw %i)", async (draw) => {
    const stream = randomStream(draw, op);
    const drawn: Drawn = cases[op](stream);
    const operands = drawn.shapes.map((shape) =>
      floatTensor(dtype, shape, uniforms(stream, sizeOf(shape), ...(drawn.range ?? []))),
    );
    const known = await compiled(op, drawn, dtype, (shape) => shape);
    const found = await known.gradients(operands);
    const slopes = await centralDifferences(known.loss, operands, CHECK[dtype].step);
    await known.dispose();
    compare(found, slopes, CHECK[dtype].differences);

    if (dtype === "float32") {
      if (!drawn.reference) throw new Error(`${op}: without a float64 kernel its case needs a reference`);
      const exact = await referenceGradients(drawn.reference, operands, weightsOf(known.size));
      compare(found, exact, CHECK[dtype].reference);
    }
    const graphs = [known];
    if (!drawn.staticOnly) {
      const unknown = await compiled(op, drawn, dtype, symbolic);
      expect(await unknown.gradients(operands)).toEqual(found);
      await unknown.dispose();
      graphs.push(unknown);
    }
    expect(graphs.some(({ ops }) => ops.includes(op))).toBe(true);
  });
});

function compare(found: readonly number[][], expected: readonly number[][], tolerance: number): void {
  expect(found.length).toBe(expected.length);
  for (const [i, gradient] of found.entries()) {
    expect(relativeError(gradient, expected[i] as number[]), `operand ${i}`).toBeLessThan(tolerance);
  }
}

/** The loss is the sum of the result's elements, each with a weight of its own. */
const weightsOf = (size: number): number[] => uniforms(randomStream(size, "weights"), size, 0.5, 1.5);

/** The case's graph with its loss and gradients, operands declared with the sizes that `declare` makes of theirs. */
async function compiled(
  op: Differentiable,
  drawn: Drawn,
  dtype: Precision,
  declare: (shape: readonly number[]) => Shape,
) {
  const graph = new Graph({ fusedMatMul: op === "FusedMatMul" });
  const inputs = drawn.shapes.map((shape, i) => graph.input(`operand ${i}`, dtype, declare(shape)));
  const y = drawn.build(...inputs);
  const ops = graph.nodes.map((node) => node.op);
  const weights = graph.input("weights", dtype, y.shape);
  const axes = y.shape.map((_, axis) => axis);
  const loss = reduceSum(mul(y, weights), axes, false);
  graph.output(loss, "loss");
  gradients(loss, inputs).forEach((gradient, i) => {
    graph.output(gradient, `gradient ${i}`);
  });
  const program = await compileForCpu(graph);
  const shape = resultShape(drawn);
  const run = (operands: readonly Tensor[]): Promise<Tensors> =>
    program.run({
      ...drawn.fed,
      ...Object.fromEntries(operands.map((operand, i) => [`operand ${i}`, operand])),
      weights: floatTensor(dtype, shape, weightsOf(sizeOf(shape))),
    });
  return {
    ops,
    size: sizeOf(shape),
    loss: async (operands: readonly Tensor[]) => Number((await run(operands)).loss?.data[0]),
    async gradients(operands: readonly Tensor[]) {
      const results = await run(operands);
      return operands.map((_, i) => Array.from(results[`gradient ${i}`]?.data ?? [], Number));
    },
    dispose: () => program.dispose(),
  };
}

/** The sizes of the case's result, as the operator infers them from known ones. */
function resultShape(drawn: Drawn): readonly number[] {
  const graph = new Graph();
  const inputs = drawn.shapes.map((shape, i) => graph.input(`operand ${i}`, "float32", shape));
  return drawn.build(...inputs).shape as readonly number[];
}

/** The gradients of the reference's loss, by differences in the precision of JavaScript. */
function referenceGradients(
  reference: NonNullable<Drawn["reference"]>,
  operands: readonly Tensor[],
  weights: readonly number[],
): Promise<number[][]> {
  const exact = operands.map(({ shape, data }) => floatTensor("float64", shape, Array.from(data, Number)));
  const loss = (values: readonly Tensor[]): number =>
    reference(...values.map(({ data }) => Array.from(data, Number))).reduce(
      (sum, element, i) => sum + element * (weights[i] as number),
      0,
    );
  return centralDifferences(loss, exact, 1e-5);
}
