/** @file Few programs in memory: by use, none that runs, equal graphs once; with onnxruntime's own sessions. */
import { describe, expect, test } from "vitest";
import { compileForCpu } from "../../src/backend/cpu.ts";
import { FewPrograms } from "../../src/backend/few-programs.ts";
import type { Compile, Program } from "../../src/backend/program.ts";
import { scale } from "../../src/graph/ops.ts";
import { Graph } from "../../src/graph/value.ts";
import { tensor } from "../../src/tensor.ts";

/** x times a number. */
function times(factor: number): Graph {
  const graph = new Graph();
  graph.output(scale(graph.input("x", "float32", [2]), factor), "y");
  return graph;
}

/** Counts what it compiles and what is disposed of. */
function observed(): { readonly compile: Compile; readonly counts: { compiled: number; disposed: number } } {
  const counts = { compiled: 0, disposed: 0 };
  return {
    counts,
    async compile(graph, options) {
      counts.compiled += 1;
      const program = await compileForCpu(graph, options);
      const dispose = async (): Promise<void> => {
        counts.disposed += 1;
        await program.dispose();
      };
      return { ...program, dispose };
    },
  };
}

const run = async (program: Program): Promise<number[]> => {
  const { y } = await program.run({ x: tensor("float32", [2], Float32Array.of(1, 2)) });
  return Array.from(y?.data as Float32Array);
};

describe("FewPrograms", () => {
  test("has as many as it may, drops the one not used for longest, and makes it again when it is asked", async () => {
    const { compile, counts } = observed();
    const few = new FewPrograms(compile, 2);
    const programs = [];
    for (let factor = 2; factor < 10; factor += 1) programs.push(await few.compile(times(factor)));
    expect([few.size, counts.compiled, counts.disposed]).toEqual([2, 8, 6]);
    for (const [i, program] of programs.entries()) expect(await run(program)).toEqual([i + 2, 2 * (i + 2)]);
    expect([few.size, counts.compiled - counts.disposed]).toEqual([2, 2]);
    const before = counts.compiled;
    await run(programs[7] as Program);
    await run(programs[6] as Program);
    await run(programs[7] as Program);
    expect(counts.compiled).toBe(before);
    await few.dispose();
    expect([few.size, counts.disposed]).toEqual([0, counts.compiled]);
  });

  test("has equal graphs once, until all who asked for them have let go", async () => {
    const { compile, counts } = observed();
    const few = new FewPrograms(compile, 2);
    const [first, second] = await Promise.all([few.compile(times(3)), few.compile(times(3))]);
    expect(counts.compiled).toBe(1);
    await first.dispose();
    expect(await run(second)).toEqual([3, 6]);
    expect(counts).toEqual({ compiled: 1, disposed: 0 });
    await second.dispose();
    expect(counts).toEqual({ compiled: 1, disposed: 1 });
  });

  test("never drops one that runs", async () => {
    const running = new Set<object>();
    const few = new FewPrograms(async (graph) => {
      const program = await compileForCpu(graph);
      return {
        async run(inputs) {
          running.add(program);
          await new Promise((resolve) => setTimeout(resolve, 20));
          const results = await program.run(inputs);
          running.delete(program);
          return results;
        },
        async dispose() {
          expect(running.has(program)).toBe(false);
          await program.dispose();
        },
      };
    }, 1);
    const programs = await Promise.all([2, 3, 4].map((factor) => few.compile(times(factor))));
    const results = await Promise.all([...programs, ...programs].map(run));
    expect(results).toEqual([2, 3, 4, 2, 3, 4].map((factor) => [factor, 2 * factor]));
    expect(few.size).toBe(1);
    await few.dispose();
  });

  test("tells whoever asked what could not be compiled, and compiles it when that is possible", async () => {
    let isBroken = true;
    const few = new FewPrograms(async (graph) => {
      if (isBroken) throw new Error("no memory");
      return compileForCpu(graph);
    }, 2);
    await expect(few.compile(times(2))).rejects.toThrow("no memory");
    expect(few.size).toBe(0);
    isBroken = false;
    expect(await run(await few.compile(times(2)))).toEqual([2, 4]);
    await few.dispose();
  });
});
