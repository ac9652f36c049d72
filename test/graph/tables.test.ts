/** @file Weights in parts against the same in one: products, rows by index, and the gradient that passes them. */
import { expect, it } from "vitest";
import { gradients } from "../../src/graph/gradient.ts";
import { mul, reduceSum } from "../../src/graph/ops.ts";
import { partsOf, productOfParts, rowsOfParts } from "../../src/graph/tables.ts";
import type { Graph, Value } from "../../src/graph/value.ts";
import { randomStream } from "../../src/random.ts";
import { tensor } from "../../src/tensor.ts";
import { evaluate, int64, relativeError, uniforms } from "./run.ts";

const [ROWS, WIDTH, TOKENS] = [11, 6, 4];
const stream = randomStream(1, "tables");
const table = Float32Array.from(uniforms(stream, ROWS * WIDTH));
const x = tensor("float32", [TOKENS, WIDTH], Float32Array.from(uniforms(stream, TOKENS * WIDTH)));
const bias = Float32Array.from(uniforms(stream, ROWS));
const ids = int64([2, 4], [0, 10, 3, 4, 7, 8, 5, 1]);

const run = (largestWeight: number | undefined) =>
  evaluate(
    (graph: Graph) => {
      const parts = partsOf(graph.constant("float32", [ROWS, WIDTH], table));
      const input: Value = graph.input("x", "float32", ["tokens", WIDTH]);
      const product = productOfParts(input, parts, graph.constant("float32", [ROWS], bias));
      const rows = rowsOfParts(parts, graph.input("ids", "int64", ["batch", "seq"]));
      const [dx] = gradients(reduceSum(mul(product, product), [0, 1], false), [input]);
      return { product, rows, dx: dx as Value };
    },
    { x, ids },
    largestWeight === undefined ? {} : { largestWeight },
  );

it.each([1, 2, 4, 11])("are the same in %i parts", async (count) => {
  const whole = await run(undefined);
  const parts = await run(Math.ceil((4 * ROWS * WIDTH) / count));
  expect(parts.rows).toEqual(whole.rows);
  expect(relativeError(parts.product as number[], whole.product as number[])).toBeLessThan(1e-6);
  expect(relativeError(parts.dx as number[], whole.dx as number[])).toBeLessThan(1e-6);
});
