/** @file For each operator that has a gradient, random graphs of that operator alone. */
import { gelu, layerNorm, rmsNorm, rotary, silu } from "../../src/graph/layers.ts";
import {
  add,
  concat,
  div,
  exp,
  expandLike,
  gather,
  gatherElements,
  gemm,
  identity,
  log,
  matmul,
  mul,
  neg,
  reciprocal,
  reduceMean,
  reduceSum,
  reshape,
  scatterElementsAdd,
  sigmoid,
  softmax,
  split,
  sqrt,
  sub,
  tanh,
  transpose,
} from "../../src/graph/ops.ts";
import type { Differentiable } from "../../src/graph/rules.ts";
import type { Value } from "../../src/graph/value.ts";
import { type RandomStream, shuffled } from "../../src/random.ts";
import type { Tensor } from "../../src/tensor.ts";
import { gelu as geluReference, product, rotated } from "./reference.ts";
import { int64, uniforms } from "./run.ts";

/** One operator on one draw of shapes. */
export interface Drawn {
  /** The operands that get a gradient. */
  readonly shapes: readonly (readonly number[])[];
  /** The range of their elements, where the function is smooth. */
  readonly range?: readonly [number, number];
  readonly build: (...operands: Value[]) => Value;
  /** What is fed beside them. */
  readonly fed?: Readonly<Record<string, Tensor>>;
  /** For operators without a float64 kernel: the same written out, in the precision of JavaScript. */
  readonly reference?: (...operands: number[][]) => number[];
  /** The rule needs to know sizes when the graph is built. */
  readonly staticOnly?: boolean;
}

type Draw = (stream: RandomStream) => Drawn;

const size = (stream: RandomStream): number => 1 + stream.integer(3);
const shape = (stream: RandomStream, least = 0): number[] =>
  Array.from({ length: least + stream.integer(4 - least) }, () => size(stream));

/** Two shapes that broadcast to a common one: axes dropped in front of either, or repeated in either. */
function broadcastable(stream: RandomStream): [number[], number[]] {
  const whole = shape(stream, 1);
  const part = () => whole.slice(stream.integer(whole.length + 1)).map((size) => (stream.uniform() < 0.3 ? 1 : size));
  return stream.uniform() < 0.5 ? [whole, part()] : [part(), part()];
}

const unary =
  (build: (x: Value) => Value, range: readonly [number, number] = [-2, 2]): Draw =>
  (stream) => ({ shapes: [shape(stream)], range, build });

const binary =
  (build: (a: Value, b: Value) => Value, range: readonly [number, number] = [-2, 2]): Draw =>
  (stream) => ({ shapes: broadcastable(stream), range, build });

const reduction =
  (build: (x: Value, axes: readonly number[], keep: boolean) => Value, staticOnly: boolean): Draw =>
  (stream) => {
    const whole = shape(stream, 1);
    const axes = whole.map((_, axis) => axis - (stream.uniform() < 0.3 ? whole.length : 0));
    const chosen = shuffled(stream, axes).slice(0, 1 + stream.integer(axes.length));
    const keep = stream.uniform() < 0.5;
    return { shapes: [whole], build: (x) => build(x, chosen, keep), staticOnly };
  };

const matrices: (alphas: readonly number[]) => Draw = (alphas) => (stream) => {
  const [rows, inner, columns] = [size(stream), size(stream), size(stream)];
  const [left, right] = broadcastable(stream);
  const [transA, transB] = [stream.uniform() < 0.5, stream.uniform() < 0.5];
  const alpha = alphas[stream.integer(alphas.length)] as number;
  const a = [...left, ...(transA ? [inner, rows] : [rows, inner])];
  const b = [...right, ...(transB ? [columns, inner] : [inner, columns])];
  const options = { transA, transB, alpha };
  return {
    shapes: [a, b],
    build: (x, y) => matmul(x, y, options),
    reference: (x, y) => product({ shape: a, data: x }, { shape: b, data: y }, options),
  };
};

const gemms: Draw = (stream) => {
  const [rows, inner, columns] = [size(stream), size(stream), size(stream)];
  const [transA, transB] = [stream.uniform() < 0.5, stream.uniform() < 0.5];
  const a = transA ? [inner, rows] : [rows, inner];
  const b = transB ? [columns, inner] : [inner, columns];
  const addends = [[columns], [1, columns], [rows, 1], [rows, columns]];
  const addend = addends[stream.integer(addends.length + 1)];
  const alpha = 0.5 + stream.integer(2);
  return {
    shapes: addend ? [a, b, addend] : [a, b],
    build: (x, y, z) => gemm(x, y, { transA, transB, alpha }, z),
  };
};

/** Indices below `count`, with repetitions, and some counted from the end. */
const indices = (stream: RandomStream, length: number, count: number): number[] =>
  Array.from({ length }, () => stream.integer(2 * count) - count);

const alongLastAxis: (build: (x: Value, at: Value, updates: Value) => Value) => Draw = (build) => (stream) => {
  const [rows, columns, chosen] = [size(stream), size(stream), size(stream)];
  const at = int64([rows, chosen], indices(stream, rows * chosen, columns));
  return {
    shapes: [
      [rows, columns],
      [rows, chosen],
    ],
    fed: { at },
    build: (x, updates) => build(x, x.graph.input("at", "int64", at.shape), updates),
  };
};

export const cases = {
  Add: binary(add),
  Sub: binary(sub),
  Mul: binary(mul),
  Div: binary(div, [0.5, 2]),
  Neg: unary(neg),
  Exp: unary(exp),
  Log: unary(log, [0.5, 2]),
  Sqrt: unary(sqrt, [0.5, 2]),
  Reciprocal: unary(reciprocal, [0.5, 2]),
  Tanh: unary(tanh),
  Sigmoid: unary(sigmoid),
  Gelu: (stream) => ({ shapes: [shape(stream)], range: [-2, 2], build: gelu, reference: (x) => x.map(geluReference) }),
  Identity: unary(identity),
  Softmax: (stream) => ({ shapes: [shape(stream, 1)], build: softmax }),
  ReduceSum: reduction(reduceSum, false),
  ReduceMean: reduction(reduceMean, true),
  MatMul: matrices([1, 0.5]),
  FusedMatMul: matrices([2, 0.5]),
  Gemm: gemms,
  Reshape: (stream) => {
    const whole = shape(stream, 1);
    return { shapes: [whole], build: (x) => reshape(x, [1, ...[...x.shape].reverse()]) };
  },
  Transpose: (stream) => {
    const whole = shape(stream, 3);
    const permutation = shuffled(
      stream,
      whole.map((_, axis) => axis),
    );
    return { shapes: [whole], build: (x) => transpose(x, permutation) };
  },
  Expand: (stream) => {
    const whole = shape(stream, 1);
    const part = whole.slice(stream.integer(whole.length + 1)).map((size) => (stream.uniform() < 0.5 ? 1 : size));
    return { shapes: [part, whole], build: (x, like) => mul(like, softmax(expandLike(x, like))) };
  },
  Shape: (stream) => {
    const whole = [2, ...shape(stream)];
    return { shapes: [[1], whole], build: (x, like) => mul(exp(expandLike(x, like)), like) };
  },
  Concat: (stream) => {
    const parts = Array.from({ length: 2 + stream.integer(2) }, () => [2, size(stream), 3]);
    const axis = stream.uniform() < 0.5 ? 1 : -2;
    return { shapes: parts, build: (...values) => concat(values, axis), staticOnly: true };
  },
  Split: (stream) => {
    const sizes = [size(stream), size(stream), size(stream)];
    const whole = [2, sizes.reduce((sum, size) => sum + size), 3];
    return {
      shapes: [whole, [2, 1, 3]],
      // One part is used twice, one not at all.
      build: (x, factor) => {
        const [first, , last] = split(x, sizes, 1) as [Value, Value, Value];
        return concat([mul(first, factor), exp(first), last], 1);
      },
      staticOnly: true,
    };
  },
  Gather: (stream) => {
    const table = [size(stream), ...shape(stream)];
    const picked = shape(stream);
    const count = picked.reduce((product, size) => product * size, 1);
    const at = int64(picked, indices(stream, count, table[0] as number));
    return { shapes: [table], fed: { at }, build: (x) => gather(x, x.graph.input("at", "int64", picked)) };
  },
  GatherElements: alongLastAxis((x, at, updates) => mul(gatherElements(x, at), updates)),
  ScatterElements: alongLastAxis(scatterElementsAdd),
  SimplifiedLayerNormalization: (stream) => {
    const whole = shape(stream, 1);
    return { shapes: [whole, [whole.at(-1) as number]], build: (x, weight) => rmsNorm(x, weight, 0.1) };
  },
  LayerNormalization: (stream) => {
    const whole = shape(stream, 1);
    const width = [whole.at(-1) as number];
    return { shapes: [whole, width, width], build: (x, weight, bias) => layerNorm(x, weight, bias, 0.1) };
  },
  QuickGelu: (stream) => ({
    shapes: [shape(stream)],
    range: [-2, 2],
    build: silu,
    reference: (x) => x.map((element) => element / (1 + Math.exp(-element))),
  }),
  RotaryEmbedding: (stream) => {
    const [batch, seq, heads, headSize, rotatedSize, angles] = [size(stream), size(stream), size(stream), 8, 4, 6];
    const interleaved = stream.uniform() < 0.5;
    const positions = Array.from({ length: batch * seq }, () => stream.integer(angles));
    const turns = uniforms(stream, (angles * rotatedSize) / 2, -3, 3);
    const table = (f: (angle: number) => number): Tensor<"float32"> => ({
      dtype: "float32",
      shape: [angles, rotatedSize / 2],
      data: Float32Array.from(turns, f),
    });
    const fed = { positions: int64([batch, seq], positions), cos: table(Math.cos), sin: table(Math.sin) };
    return {
      shapes: [[batch, seq, heads * headSize]],
      fed,
      build: (x) => {
        const [cos, sin] = [fed.cos, fed.sin].map(({ shape }, i) => x.graph.input(i ? "sin" : "cos", "float32", shape));
        const at = x.graph.input("positions", "int64", [batch, seq]);
        return rotary(x, {
          positions: at,
          cos: cos as Value,
          sin: sin as Value,
          heads,
          rotated: rotatedSize,
          interleaved,
        });
      },
      reference: (x) => rotated(x, { heads, headSize, rotated: rotatedSize, interleaved, positions, angles: turns }),
    };
  },
} satisfies Record<Differentiable, Draw>;
