/** @file Values that wait for others: what waits, and that nothing changes by it. */
import { describe, expect, it } from "vitest";
import { compileForCpu } from "../../src/backend/cpu.ts";
import { gradients } from "../../src/graph/gradient.ts";
import { exp, mul, reduceSum } from "../../src/graph/ops.ts";
import { after } from "../../src/graph/recompute.ts";
import { Graph, liveNodes, type Value } from "../../src/graph/value.ts";
import { tensor } from "../../src/tensor.ts";

const floats = (...numbers: number[]) => tensor("float32", [numbers.length / 2, 2], Float32Array.from(numbers));

describe.each([false, true])("a value that waits for others, on a device %s", (feedsWeights) => {
  it.each([
    [[1, -2]],
    [[Number.NaN, Number.NaN]],
    [[Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]],
    [[3e38, 3e38]],
  ])("is what it was, whatever they are: %j", async (numbers) => {
    const graph = new Graph({ feedsWeights });
    const x = graph.input("x", "float32", ["rows", 2]);
    const other = graph.input("other", "float32", [1, 2]);
    const [late] = after([mul(other, other), other], [mul(x, x)]) as [Value];
    graph.output(late, "y");
    const needed = new Set(liveNodes(graph).flatMap(({ inputs }) => inputs));
    expect(needed.has(other)).toBe(true);
    const program = await compileForCpu(graph);
    const { y } = await program.run({ x: floats(1, 2, 3, 4), other: floats(...numbers) });
    await program.dispose();
    expect([y?.shape, Array.from(y?.data as Float32Array)]).toEqual([
      [2, 2],
      [1, 4, 9, 16],
    ]);
  });
});

describe("gradients that make blocks again", () => {
  /** x, through some blocks of exp(w·x). */
  async function both(start: readonly number[]) {
    const run = async (checkpointed: boolean) => {
      const graph = new Graph();
      const x = graph.input("x", "float32", ["rows", 2]);
      const weights = [0, 1, 2].map((i) => graph.input(`w${i}`, "float32", [2]));
      const [first, second, third] = weights as [Value, Value, Value];
      const a = exp(mul(x, first));
      const b = exp(mul(exp(mul(a, second)), a));
      const loss = reduceSum(exp(mul(b, third)), [0, 1], false);
      gradients(loss, [x, ...weights], checkpointed ? [a, b] : []).forEach((gradient, i) => {
        graph.output(gradient, `gradient ${i}`);
      });
      graph.output(loss, "loss");
      const program = await compileForCpu(graph);
      const w = (...numbers: number[]) => tensor("float32", [2], Float32Array.from(numbers));
      const results = await program.run({ x: floats(...start), w0: w(0.5, -1), w1: w(0.25, 1), w2: w(0.125, -0.5) });
      await program.dispose();
      const nodes = liveNodes(graph).filter(({ op }) => op === "Exp").length;
      return {
        nodes,
        numbers: Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, [...data]])),
      };
    };
    return [await run(false), await run(true)] as const;
  }

  it("are the same, and make only what they need", async () => {
    const [kept, again] = await both([0.1, 0.2, 0.3, -0.4]);
    expect(again.numbers).toEqual(kept.numbers);
    // Of three the block's inner one and the one that the gradient of its end needs.
    expect([kept.nodes, again.nodes]).toEqual([4, 6]);
  });

  it("are the same where they are infinite or no numbers", async () => {
    const [kept, again] = await both([1000, -1000, Number.NaN, 1]);
    expect(Object.values(kept.numbers).flat().some(Number.isFinite)).toBe(true);
    expect(Object.values(kept.numbers).flat().every(Number.isFinite)).toBe(false);
    expect(again.numbers).toEqual(kept.numbers);
  });
});
