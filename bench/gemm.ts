/** @file The machine's own GEMM peak: onnxruntime's float32 matrix product of sizes that suit it. */
import { compileForCpu } from "../src/backend/cpu.ts";
import { gather, gemm } from "../src/graph/ops.ts";
import { Graph } from "../src/graph/value.ts";
import { normals, randomStream } from "../src/random.ts";
import { type FloatTensor, tensor } from "../src/tensor.ts";
import { lowerQuartile, timed } from "./timing.ts";

/** Rows, inner size, columns. */
const SIZES = [
  [256, 4096, 4608],
  [512, 1024, 5472],
  [512, 4096, 1024],
] as const;

export interface GemmPeak {
  /** The rate of the size that does best now, in floating-point operations a second; `budget` seconds for each size. */
  measure(budget: number): Promise<number>;
  dispose(): Promise<void>;
}

export async function gemmPeak(): Promise<GemmPeak> {
  const contenders = await Promise.all(
    SIZES.map(async ([rows, inner, columns]) => {
      const graph = new Graph();
      const a = graph.input("a", "float32", [rows, inner]);
      const b = graph.input("b", "float32", [columns, inner]);
      // One row of it: outputs are copied, which is no part of the product.
      graph.output(gather(gemm(a, b, { transB: true }), graph.indices([0])), "first");
      const program = await compileForCpu(graph);
      const feeds = { a: random("a", [rows, inner]), b: random("b", [columns, inner]) };
      const run = () => program.run(feeds);
      await run();
      return { run, program, operations: 2 * rows * inner * columns };
    }),
  );
  return {
    async measure(budget) {
      const rates: number[] = [];
      for (const { run, operations } of contenders) rates.push(operations / lowerQuartile(await timed(run, budget)));
      return Math.max(...rates);
    },
    async dispose() {
      for (const { program } of contenders) await program.dispose();
    },
  };
}

function random(name: string, shape: readonly [number, number]): FloatTensor {
  return tensor("float32", shape, normals(randomStream(0, name), shape[0] * shape[1]));
}
