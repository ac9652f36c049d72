/** @file Products with quantised matrices: against sums written out, their gradients, and how long their float32 lives. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { compileForCpu } from "../../src/backend/cpu.ts";
import { BLOCK, type BlockBits, type BlockMatrix, blockBytes, blocksOf } from "../../src/graph/block-matrix.ts";
import { gradients } from "../../src/graph/gradient.ts";
import { mul, reduceSum, tanh } from "../../src/graph/ops.ts";
import {
  blockProduct,
  dequantizedBlockProduct,
  dequantizedRowProduct,
  limbProduct,
  packedBlockProduct,
} from "../../src/graph/quantized.ts";
import { Graph, type Value } from "../../src/graph/value.ts";
import { blockCodes } from "../../src/quantization/group-codes.ts";
import { dequantizeRows, quantizeRows } from "../../src/quantization/quantize.ts";
import { randomStream } from "../../src/random.ts";
import { tensor } from "../../src/tensor.ts";
import { evaluate, relativeError, uniforms } from "./run.ts";

/** One strip of columns. */
const OUT = 64;
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

function blockMatrix(graph: Graph, columns: number, bits: BlockBits): BlockMatrix {
  const { codes, scales } = blockCodes(drawn(columns, bits).rows, columns, bits);
  return {
    in: columns,
    out: OUT,
    bits,
    codes: graph.constant("uint8", [OUT, blocksOf(columns), blockBytes(bits)], codes),
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

    it.each([true, false])(
      "is multiplied by way of float32, with a gradient (arithmetic of bytes: %s)",
      async (byteArithmetic) => {
        const { x, weight } = drawn(columns, bits);
        const { y, dx } = await evaluate(
          (graph) => {
            const input = graph.input("x", "float32", ["tokens", columns]);
            return withGradient(graph, input, dequantizedBlockProduct(input, blockMatrix(graph, columns, bits)));
          },
          { x },
          { byteArithmetic },
        );
        expect(relativeError(y as number[], product(x.data, weight, columns))).toBeLessThan(1e-6);
        expect(relativeError(dx as number[], expectedGradient(weight, columns))).toBeLessThan(1e-6);
      },
    );
  });

  it.each([true, false])(
    "of 4 bits is multiplied exactly by the kernel, with a gradient by way of float32 (arithmetic of bytes: %s)",
    async (byteArithmetic) => {
      const { x, weight } = drawn(columns, 4);
      const { y, dx } = await evaluate(
        (graph) => {
          const input = graph.input("x", "float32", ["tokens", columns]);
          const matrix = blockMatrix(graph, columns, 4);
          return withGradient(graph, input, packedBlockProduct(input, matrix, matrix));
        },
        { x },
        { byteArithmetic },
      );
      expect(relativeError(y as number[], product(x.data, weight, columns))).toBeLessThan(1e-6);
      expect(relativeError(dx as number[], expectedGradient(weight, columns))).toBeLessThan(1e-6);
    },
  );

  describe("with a scale for each row", () => {
    it("is multiplied by integer products as exactly as float32, or nearly, whatever the size of x", async () => {
      const { x, weight } = drawn(columns, 8);
      const expected = product(x.data, weight, columns);
      for (const size of [1, 1e-12, 1e12]) {
        const scaled = tensor(
          "float32",
          x.shape,
          x.data.map((element) => element * size),
        );
        const { exact, fast } = await evaluate(
          (graph) => {
            const input = graph.input("x", "float32", ["tokens", columns]);
            const matrix = rowMatrix(graph, columns);
            return { exact: limbProduct(input, matrix, true), fast: limbProduct(input, matrix, false) };
          },
          { x: scaled },
        );
        const error = (y: number[] | undefined) =>
          relativeError(
            (y ?? []).map((element) => element / size),
            expected,
          );
        expect(error(exact)).toBeLessThan(1e-6);
        expect(error(fast)).toBeLessThan(1e-3);
      }
    });

    it.each([true, false])(
      "is multiplied by way of float32, with a gradient (in strips: %s)",
      async (byteArithmetic) => {
        const { x, weight } = drawn(columns, 8);
        const { y, dx } = await evaluate(
          (graph) => {
            const input = graph.input("x", "float32", ["tokens", columns]);
            return withGradient(graph, input, dequantizedRowProduct(input, rowMatrix(graph, columns)));
          },
          { x },
          { byteArithmetic },
        );
        expect(relativeError(y as number[], product(x.data, weight, columns))).toBeLessThan(1e-6);
        expect(relativeError(dx as number[], expectedGradient(weight, columns))).toBeLessThan(1e-6);
      },
    );
  });
});

describe("a matrix of more elements than are float32 at a time", { timeout: 60_000 }, () => {
  // Neither a multiple of the other's pieces, nor of a block.
  const [tokens, width, out] = [2, 5798, 5850];
  const sum = (
    x: ArrayLike<number>,
    stride: number,
    weight: Float32Array,
    from: number,
    step: number,
    count: number,
  ) => {
    let total = 0;
    for (let i = 0; i < count; i += 1) total += (x[stride + i] as number) * (weight[from + i * step] as number);
    return total;
  };

  it.each(["blocks", "rows"])("is multiplied piece by piece, forward and back (%s)", async (form) => {
    const stream = randomStream(1, form);
    const codes = Int8Array.from({ length: out * width }, (_, i) => (Math.imul(i + 1, 0x9e3779b1) >>> 28) - 8);
    const scales = Float32Array.from(uniforms(stream, out, 0.01, 0.02));
    const rows = { codes, scales };
    const weight = dequantizeRows(rows);
    const [x, dy] = [
      Float32Array.from(uniforms(stream, tokens * width)),
      Float32Array.from(uniforms(stream, tokens * out)),
    ];
    const { y, dx } = await evaluate(
      (graph) => {
        const input = graph.input("x", "float32", ["tokens", width]);
        const found = form === "blocks" ? blocked(graph, input) : transposed(graph, input);
        const [gradient] = gradients(
          reduceSum(mul(found, graph.constant("float32", [tokens, out], dy)), [0, 1], false),
          [input],
        );
        return { y: found, dx: gradient as Value };
      },
      { x: tensor("float32", [tokens, width], x) },
    );
    function blocked(graph: Graph, input: Value): Value {
      const packed = blockCodes(rows, width, 4);
      return dequantizedBlockProduct(input, {
        in: width,
        out,
        bits: 4,
        codes: graph.constant("uint8", [out, blocksOf(width), BLOCK / 2], packed.codes),
        scales: graph.constant("float32", [packed.scales.length], packed.scales),
      });
    }
    function transposed(graph: Graph, input: Value): Value {
      const turned = new Int8Array(codes.length);
      for (let i = 0; i < codes.length; i += 1) turned[(i % width) * out + Math.floor(i / width)] = codes[i] as number;
      return dequantizedRowProduct(input, {
        codes: graph.constant("int8", [width, out], turned),
        scales: graph.constant("float32", [out], scales),
      });
    }
    const expected = Array.from({ length: tokens * out }, (_, at) =>
      sum(x, Math.floor(at / out) * width, weight, (at % out) * width, 1, width),
    );
    expect(relativeError(y as number[], expected)).toBeLessThan(1e-5);
    const back = Array.from({ length: tokens * width }, (_, at) =>
      sum(dy, Math.floor(at / width) * out, weight, at % width, width, out),
    );
    expect(relativeError(dx as number[], back)).toBeLessThan(1e-5);
  });
});

it("refuses activations of another width", () => {
  const graph = new Graph();
  const x = graph.input("x", "float32", ["tokens", 41]);
  expect(() => blockProduct(x, blockMatrix(graph, 40, 4), true)).toThrow("expected [tokens, 40], got [tokens, 41]");
  expect(() => limbProduct(x, rowMatrix(graph, 40), true)).toThrow("expected [tokens, 40], got [tokens, 41]");
});

describe.skipIf(process.platform !== "linux")("memory", () => {
  const scratch = mkdtempSync(join(tmpdir(), "glmlab-quantized-"));
  afterAll(() => rmSync(scratch, { recursive: true }));

  /** Three pieces of float32 a matrix. */
  const WIDTH = 8704;
  const LAYERS = 4;
  const MATRIX = WIDTH * WIDTH * 4;

  const privateBytes = (): number =>
    1024 * Number(/RssAnon:\s+(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

  /** A product with weights of a file that is all `byte`, then scales. */
  const layerOf: Readonly<Record<string, (graph: Graph, x: Value, name: string, file: string) => Value>> = {
    blocks(graph, x, name, file) {
      const [bytes, count] = [(WIDTH * WIDTH) / 2, WIDTH * blocksOf(WIDTH)];
      writeFileSync(file, weights(bytes, 0x98, count));
      return dequantizedBlockProduct(x, {
        in: WIDTH,
        out: WIDTH,
        bits: 4,
        codes: graph.weight(name, "uint8", [WIDTH, blocksOf(WIDTH), BLOCK / 2], { file, offset: 0, bytes }),
        scales: graph.weight(`${name} scales`, "float32", [count], { file, offset: bytes, bytes: 4 * count }),
      });
    },
    rows(graph, x, name, file) {
      const bytes = WIDTH * WIDTH;
      writeFileSync(file, weights(bytes, 1, WIDTH));
      return dequantizedRowProduct(x, {
        codes: graph.weight(name, "int8", [WIDTH, WIDTH], { file, offset: 0, bytes }),
        scales: graph.weight(`${name} scales`, "float32", [WIDTH], { file, offset: bytes, bytes: 4 * WIDTH }),
      });
    },
  };
  const weights = (bytes: number, code: number, scales: number): Buffer =>
    Buffer.concat([Buffer.alloc(bytes, code), new Uint8Array(new Float32Array(scales).fill(3e-4).buffer)]);

  it.each(Object.keys(layerOf))(
    "holds a few pieces of float32 matrices at a time, forward and back (%s)",
    async (form) => {
      const graph = new Graph({ byteArithmetic: true });
      const first = graph.input("x", "float32", ["tokens", WIDTH]);
      let x = first;
      for (let layer = 0; layer < LAYERS; layer += 1) {
        x = tanh(layerOf[form]?.(graph, x, `layer ${layer}`, join(scratch, form)) as Value);
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
      expect(used).toBeLessThan(1.5 * MATRIX);
    },
  );
});
