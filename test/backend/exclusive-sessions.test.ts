/** @file Groups of programs that are never in memory together: real sessions, counted as they come and go. */
import { expect, it } from "vitest";
import { compileForCpu } from "../../src/backend/cpu.ts";
import { exclusiveSessions } from "../../src/backend/exclusive-sessions.ts";
import type { Compile } from "../../src/backend/program.ts";
import { scale } from "../../src/graph/ops.ts";
import { Graph } from "../../src/graph/value.ts";
import { filled, type Tensor } from "../../src/tensor.ts";

/** Sessions of graphs that multiply by their number, which is in memory while the session is. */
function plural() {
  const live = new Set<number>();
  let made = 0;
  const compile: Compile = async (graph) => {
    const program = await compileForCpu(graph);
    const factor = Number(graph.inputs[0]?.name);
    live.add(factor);
    made += 1;
    return {
      run: program.run,
      async dispose() {
        live.delete(factor);
        await program.dispose();
      },
    };
  };
  return { live, compile, made: () => made };
}

const times = (factor: number): Graph => {
  const graph = new Graph();
  graph.output(scale(graph.input(`${factor}`, "float32", ["n"]), factor), "y");
  return graph;
};
const apply = (factor: number) => ({ [factor]: filled([1], 10) });
const first = (results: Record<string, Tensor>): unknown => results.y?.data[0];

it("gives up one group when another runs, and makes it again", async () => {
  const { live, compile, made } = plural();
  const groups = exclusiveSessions(compile);
  const [two, three] = [await groups("answers")(times(2)), await groups("answers")(times(3))];
  expect([...live]).toEqual([2, 3]);
  const five = await groups("training")(times(5));
  expect([...live]).toEqual([5]);
  expect(first(await five.run(apply(5)))).toBe(50);
  expect(first(await two.run(apply(2)))).toBe(20);
  expect([...live]).toEqual([2]);
  expect(first(await three.run(apply(3)))).toBe(30);
  expect([...live]).toEqual([2, 3]);
  expect(made()).toBe(5);
  await two.dispose();
  await five.run(apply(5));
  expect([...live]).toEqual([5]);
  await Promise.all([three.dispose(), five.dispose()]);
  expect(live.size).toBe(0);
});

it("runs those that are asked at once one after the other", async () => {
  const { live, compile } = plural();
  const groups = exclusiveSessions(compile);
  const [two, five] = [await groups("answers")(times(2)), await groups("training")(times(5))];
  const asked = [two.run(apply(2)), five.run(apply(5)), two.run(apply(2)), five.run(apply(5))];
  expect((await Promise.all(asked)).map(first)).toEqual([20, 50, 20, 50]);
  expect([...live]).toEqual([5]);
  await Promise.all([two.dispose(), five.dispose()]);
});

it("goes on after a failure", async () => {
  const { live, compile } = plural();
  const groups = exclusiveSessions(compile);
  const two = await groups("answers")(times(2));
  await expect(two.run({})).rejects.toThrow("2");
  await expect(groups("training")(new Graph())).rejects.toThrow();
  expect(first(await two.run(apply(2)))).toBe(20);
  await two.dispose();
  expect(live.size).toBe(0);
});
