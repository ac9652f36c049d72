/** @file What differentiation does with a graph as a whole: what it visits, what it adds up, what it refuses. */
import { describe, expect, it } from "vitest";
import { gradients } from "../../src/graph/gradient.ts";
import { logSumExp, silu } from "../../src/graph/layers.ts";
import { add, detached, exp, gather, matmul, mul, reduceMax, reduceSum, scale, tanh } from "../../src/graph/ops.ts";
import { Graph, liveNodes, type Value } from "../../src/graph/value.ts";
import { evaluate, floatTensor, int64 } from "./run.ts";

const total = (x: Value): Value =>
  reduceSum(
    x,
    x.shape.map((_, axis) => axis),
    false,
  );
const vector = (...elements: number[]) => floatTensor("float64", [elements.length], elements);

describe("what is differentiated", () => {
  /** Three layers, tanh(...tanh(x·w0)·w1)·w2, and the operators that training some of their weights takes. */
  function opsToTrain(...trained: number[]): string[] {
    const graph = new Graph();
    const weights = [0, 1, 2].map((layer) => graph.input(`w${layer}`, "float32", [4, 4]));
    const y = weights.reduce((x, weight) => tanh(matmul(x, weight)), graph.input("x", "float32", [2, 4]));
    const loss = total(y);
    const forward = graph.nodes.length;
    gradients(
      loss,
      trained.map((layer) => weights[layer] as Value),
    ).forEach((gradient, i) => {
      graph.output(gradient, `gradient ${i}`);
    });
    return graph.nodes.slice(forward).map(({ op }) => op);
  }

  const throughSum = ["Reshape", "Expand"];
  const throughTanh = ["Mul", "Sub", "Mul"];
  const toWeight = ["Transpose", "MatMul"];
  const toInput = ["Transpose", "MatMul"];

  it("is nothing below the lowest trained tensor", () => {
    expect(opsToTrain(2)).toEqual([...throughSum, ...throughTanh, ...toWeight]);
  });

  it("is only the way to a trained tensor, not the weights beside it", () => {
    const layer = [...throughTanh, ...toInput];
    expect(opsToTrain(0)).toEqual([...throughSum, ...layer, ...layer, ...throughTanh, ...toWeight]);
  });

  it("is the same for several trained tensors as for all of them at once", () => {
    const layer = [...throughTanh, ...toInput, ...toWeight];
    expect(opsToTrain(0, 1, 2)).toEqual([...throughSum, ...layer, ...layer, ...throughTanh, ...toWeight]);
  });

  it("is no other branch of the graph", () => {
    const graph = new Graph();
    const [x, frozen] = [graph.input("x", "float32", [3]), graph.input("frozen", "float32", [3])];
    const loss = total(add(exp(x), tanh(exp(frozen))));
    const before = graph.nodes.length;
    gradients(loss, [x]);
    expect(graph.nodes.slice(before).map(({ op }) => op)).toEqual(["Reshape", "Expand", "Mul"]);
  });
});

describe("a value that is used several times", () => {
  it("gathers the gradients of all its uses", async () => {
    const results = await evaluate(
      (graph) => {
        const x = graph.input("x", "float64", [3]);
        // d/dx Σ x³ + 5x
        const [gradient] = gradients(total(add(mul(mul(x, x), x), scale(x, 5))), [x]);
        return { gradient: gradient as Value };
      },
      { x: vector(1, -2, 0.5) },
    );
    expect(results.gradient).toEqual([8, 17, 5.75]);
  });

  it.each(["looked up last", "looked up first"])("gathers rows into what is dense: %s", async (order) => {
    const inputs = { table: floatTensor("float64", [3, 2], [1, 2, 3, 4, 5, 6]), ids: int64([3], [2, 0, 2]) };
    let ops: string[] = [];
    const results = await evaluate((graph) => {
      const table = graph.input("table", "float64", ["rows", 2]);
      const ids = graph.input("ids", "int64", [3]);
      const uses = [() => total(mul(table, table)), () => total(scale(gather(table, ids), 10))];
      if (order === "looked up first") uses.reverse();
      const [a, b] = uses.map((use) => use()) as [Value, Value];
      const [gradient] = gradients(add(a, b), [table]);
      graph.output(gradient as Value, "once more");
      ops = liveNodes(graph).map(({ op }) => op);
      return { gradient: gradient as Value };
    }, inputs);
    expect(results.gradient).toEqual([12, 14, 6, 8, 30, 32]);
    // The rows are added in place: no zeros of the table's size, and no sum of two tables beside that of x·x's own.
    expect(ops.filter((op) => op === "ScatterND")).toHaveLength(1);
    expect(ops.filter((op) => op === "Add")).toHaveLength(1);
  });

  it("can be asked for twice", async () => {
    const results = await evaluate(
      (graph) => {
        const x = graph.input("x", "float64", [2]);
        const [first, second] = gradients(total(mul(x, x)), [x, x]) as [Value, Value];
        return { first, second };
      },
      { x: vector(3, 4) },
    );
    expect(results).toEqual({ first: [6, 8], second: [6, 8] });
  });
});

describe("an intermediate value", () => {
  it("can be what gradients are wanted of", async () => {
    const results = await evaluate(
      (graph) => {
        const y = exp(graph.input("x", "float64", [2]));
        return { gradient: gradients(total(mul(y, y)), [y])[0] as Value };
      },
      { x: vector(0, Math.log(2)) },
    );
    expect(results.gradient?.map((slope) => slope.toFixed(12))).toEqual(["2.000000000000", "4.000000000000"]);
  });

  it("stops gradients when it is detached", async () => {
    const results = await evaluate(
      (graph) => {
        const x = graph.input("x", "float64", [2]);
        return { gradient: gradients(total(mul(x, detached(exp(x)))), [x])[0] as Value };
      },
      { x: vector(0, 1) },
    );
    expect(results.gradient?.[0]).toBe(1);
    expect(results.gradient?.[1]).toBeCloseTo(Math.E, 12);
  });
});

describe("what is refused", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", [2, 3]);

  it("is a loss that is no scalar", () => {
    expect(() => gradients(exp(x), [x])).toThrow("gradients need a scalar, got [2, 3]");
    const unknown = graph.input("unknown", "float32", ["batch"]);
    expect(() => gradients(exp(unknown), [unknown])).toThrow("gradients need a scalar, got [batch]");
  });

  it("is a wanted value that the loss does not depend on", () => {
    const unused = graph.input("unused", "float32", [1]);
    expect(() => gradients(total(x), [x, unused])).toThrow('"unused" does not influence');
    expect(() => gradients(total(mul(x, detached(unused))), [x, unused])).toThrow('"unused" does not influence');
  });

  it("is an operator on the way that only runs forward", () => {
    expect(() => gradients(total(reduceMax(x, [-1])), [x])).toThrow("ReduceMax only runs forward: it has no gradient");
  });
});

describe("layers made of several operators", () => {
  it("logSumExp is exact where its terms overflow, and its gradient is the softmax", async () => {
    const x = [1000, 1001, -1000, -1, 0, 1];
    const results = await evaluate(
      (graph) => {
        const value = graph.input("x", "float64", ["rows", 3]);
        const y = logSumExp(value);
        return { y, gradient: gradients(total(y), [value])[0] as Value };
      },
      { x: floatTensor("float64", [2, 3], x) },
    );
    const sums = [1 + Math.E, Math.exp(-1) + 1 + Math.E];
    expect(results.y?.[0]).toBeCloseTo(1000 + Math.log(sums[0] as number), 10);
    expect(results.y?.[1]).toBeCloseTo(Math.log(sums[1] as number), 10);
    const softmax = [1, Math.E, 0].map((e) => e / (sums[0] as number));
    softmax.push(...[Math.exp(-1), 1, Math.E].map((e) => e / (sums[1] as number)));
    results.gradient?.forEach((slope, i) => {
      expect(slope).toBeCloseTo(softmax[i] as number, 10);
    });
  });

  it("silu is x·sigmoid(x)", async () => {
    const x = floatTensor("float32", [3], [-1, 0, 2]);
    const results = await evaluate((graph) => ({ y: silu(graph.input("x", "float32", [3])) }), { x });
    results.y?.forEach((y, i) => {
      const element = Number(x.data[i]);
      expect(y).toBeCloseTo(element / (1 + Math.exp(-element)), 6);
    });
  });
});
