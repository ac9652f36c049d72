/** @file Products with quantised matrices: against sums written out, their gradients, and how long their float32 lives. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compileForCpu } from "../../src/engine/ort.ts";
import { gradients } from "../../src/graph/gradient.ts";
import { mul, reduceSum, tanh } from "../../src/graph/ops.ts";
import {
  BLOCK,
  type BlockMatrix,
  blockProduct,
  blocksOf,
  dequantizedBlockProduct,
  dequantizedRowProduct,
  limbProduct,
} from "../../src/graph/quantized.ts";
import { Graph, type Value } from "../../src/graph/value.ts";
import { randomStream } from "../../src/random.ts";
import { tensor } from "../../src/tensor.ts";
import { blockCodes } from "../../src/weights/blocks.ts";
import { dequantizeRows, quantizeRows } from "../../src/weights/quantize.ts";
import { evaluate, relativeError, uniforms } from "./run.ts";

const OUT = 24;
const TOKENS = 5;

/** A quantised matrix, its values in float32, and activations of which some are far larger than the others. */
function drawn(columns: number, bits: 4 | 8) {
  const stream = randomStream(columns, "quantized");
  const rows = quantizeRows(Float32Array.from(uniforms(stream, OUT * columns)), columns, bits);
  const x = Float32Array.from(uniforms(stream, TOKENS * columns));
  for (let i = 0; i < x.length; i += 37) x[i] = (x[i] as number) * 100;
  x.fill(0, 2 * columns, 3 * columns);
  return { rows, x: tensor("float32", [TOKENS, columns], x), weight: dequantizeRows(rows) };
}

/** x · weightᵀ in JavaScript's own precision. */
function product(x: ArrayLike<number>, weight: ArrayLike<number>, columns: number): number[] {
  return Array.from({ length: TOKENS * OUT }, (_, at) => {
    const [token, row] = [Math.floor(at / OUT), at % OUT];
    let sum = 0;
    for (let i = 0; i < columns; i += 1) {
      sum += (x[token * columns + i] as number) * (weight[row * columns + i] as number);
    }
    return sum;
  });
}

function blockMatrix(graph: Graph, columns: number, bits: 4 | 8): BlockMatrix {
  const { codes, scales } = blockCodes(drawn(columns, bits).rows, columns, bits);
  return {
    bits,
    in: columns,
    out: OUT,
    codes: graph.constant("uint8", [OUT, blocksOf(columns), (BLOCK * bits) / 8], codes),
    scales: graph.constant("float32", [scales.length], scales),
  };
}

function rowMatrix(graph: Graph, columns: number) {
  const { codes, scales } = drawn(columns, 8).rows;
  const transposed = Int8Array.from(codes, (_, at) => codes[(at % OUT) * columns + Math.floor(at / OUT)] as number);
  return {
    codes: graph.constant("int8", [columns, OUT], transposed),
    scales: graph.constant("float32", [OUT], scales),
  };
}

/** Loss Σ y·(1..n) and its gradient to x. */
function withGradient(graph: Graph, x: Value, y: Value): Record<string, Value> {
  const weights = graph.constant(
    "float32",
    [TOKENS, OUT],
    Float32Array.from({ length: TOKENS * OUT }, (_, i) => i / 50),
  );
  const [dx] = gradients(reduceSum(mul(y, weights), [0, 1], false), [x]);
  return { y, dx: dx as Value };
}

function expectedGradient(weight: ArrayLike<number>, columns: number): number[] {
  return Array.from({ length: TOKENS * columns }, (_, at) => {
    const [token, column] = [Math.floor(at / columns), at % columns];
    let sum = 0;
    for (let row = 0; row < OUT; row += 1) {
      sum += ((token * OUT + row) / 50) * (weight[row * columns + column] as number);
    }
    return sum;
  });
}

describe.each([40, BLOCK, 2 * BLOCK + 34])("a matrix of %i columns", (columns) => {
  describe.each([4, 8] as const)("in blocks of %i bits", (bits) => {
    it("is multiplied exactly by the kernel of accuracy 0, and nearly by the fast one", async () => {
      const { x, weight } = drawn(columns, bits);
      const { exact, fast } = await evaluate(
        (graph) => {
          const input = graph.input("x", "float32", ["tokens", columns]);
          const matrix = blockMatrix(graph, columns, bits);
          return { exact: blockProduct(input, matrix, true), fast: blockProduct(input, matrix, false) };
        },
        { x },
      );
      const expected = product(x.data, weight, columns);
      expect(relativeError(exact as number[], expected)).toBeLessThan(1e-6);
      expect(relativeError(fast as number[], expected)).toBeLessThan(2e-2);
    });

    it("is multiplied by way of float32, with a gradient", async () => {
      const { x, weight } = drawn(columns, bits);
      const { y, dx } = await evaluate(
        (graph) => {
          const input = graph.input("x", "float32", ["tokens", columns]);
          return withGradient(graph, input, dequantizedBlockProduct(input, blockMatrix(graph, columns, bits)));
        },
        { x },
      );
      expect(relativeError(y as number[], product(x.data, weight, columns))).toBeLessThan(1e-6);
      expect(relativeError(dx as number[], expectedGradient(weight, columns))).toBeLessThan(1e-6);
    });
  });

  describe("with a scale for each row", () => {
    it("is multiplied as exactly as float32 by integer products, whatever the size of x", async () => {
      const { x, weight } = drawn(columns, 8);
      const expected = product(x.data, weight, columns);
      for (const size of [1, 1e-12, 1e12]) {
        const scaled = tensor(
          "float32",
          x.shape,
          x.data.map((element) => element * size),
        );
        const { y } = await evaluate(
          (graph) => {
            const input = graph.input("x", "float32", ["tokens", columns]);
            return { y: limbProduct(input, rowMatrix(graph, columns)) };
          },
          { x: scaled },
        );
        expect(
          relativeError(
            (y as number[]).map((element) => element / size),
            expected,
          ),
        ).toBeLessThan(1e-6);
      }
    });

    it("is multiplied by way of float32, with a gradient", async () => {
      const { x, weight } = drawn(columns, 8);
      const { y, dx } = await evaluate(
        (graph) => {
          const input = graph.input("x", "float32", ["tokens", columns]);
          return withGradient(graph, input, dequantizedRowProduct(input, rowMatrix(graph, columns)));
        },
        { x },
      );
      expect(relativeError(y as number[], product(x.data, weight, columns))).toBeLessThan(1e-6);
      expect(relativeError(dx as number[], expectedGradient(weight, columns))).toBeLessThan(1e-6);
    });
  });
});

it("refuses activations of another width", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", ["tokens", 41]);
  expect(() => blockProduct(x, blockMatrix(graph, 40, 4), true)).toThrow("expected [tokens, 40], got [tokens, 41]");
  expect(() => limbProduct(x, rowMatrix(graph, 40))).toThrow("expected [tokens, 40], got [tokens, 41]");
});

describe.skipIf(process.platform !== "linux")("memory", () => {
  const scratch = mkdtempSync(join(tmpdir(), "glmlab-quantized-"));
  afterAll(() => rmSync(scratch, { recursive: true }));

  const WIDTH = 2048;
  const LAYERS = 8;
  const MATRIX = WIDTH * WIDTH * 4;

  const privateBytes = (): number =>
    1024 * Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

  it.each([4, 8] as const)(
    "holds a few float32 matrices of many at a time, forward and back (%i bits)",
    async (bits) => {
      const file = join(scratch, `${bits}.bin`);
      const [codeBytes, scaleCount] = [(WIDTH * WIDTH * bits) / 8, WIDTH * blocksOf(WIDTH)];
      const scales = new Float32Array(scaleCount).fill(1e-3);
      writeFileSync(
        file,
        Buffer.concat([Buffer.alloc(codeBytes, bits === 8 ? 0x81 : 0x98), new Uint8Array(scales.buffer)]),
      );
      const graph = new Graph();
      const first = graph.input("x", "float32", ["tokens", WIDTH]);
      let x = first;
      for (let layer = 0; layer < LAYERS; layer += 1) {
        const codes = { file, offset: 0, bytes: codeBytes };
        const matrix: BlockMatrix = {
          bits,
          in: WIDTH,
          out: WIDTH,
          codes: graph.weight(`codes ${layer}`, "uint8", [WIDTH, blocksOf(WIDTH), (BLOCK * bits) / 8], codes),
          scales: graph.weight(`scales ${layer}`, "float32", [scaleCount], {
            file,
            offset: codeBytes,
            bytes: 4 * scaleCount,
          }),
        };
        x = tanh(dequantizedBlockProduct(x, matrix));
      }
      const [dx] = gradients(reduceSum(x, [0, 1], false), [first]);
      graph.output(dx as Value, "dx");
      const before = privateBytes();
      const program = await compileForCpu(graph);
      const { dx: result } = await program.run({
        x: tensor("float32", [4, WIDTH], new Float32Array(4 * WIDTH).fill(1)),
      });
      // onnxruntime keeps the memory of its largest moment.
      const used = privateBytes() - before;
      await program.dispose();
      expect(result?.data.some((element) => element !== 0)).toBe(true);
      expect(used).toBeLessThan(4 * MATRIX);
    },
  );
});
