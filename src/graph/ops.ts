/** @file The operators: each function checks its operands, infers the result's type and appends one ONNX node. */
import type { DType } from "../tensor.ts";
import { broadcast, reduced } from "./shape.ts";
import { type Attribute, type Dim, type Shape, showShape, type Value } from "./value.ts";

/** Every operator that a graph may hold. Those below the line are onnxruntime's own (com.microsoft). */
export const OPS = [
  "Add",
  "Concat",
  "Div",
  "Exp",
  "Expand",
  "Gather",
  "GatherElements",
  "Gelu",
  "Gemm",
  "Identity",
  "MatMul",
  "Mul",
  "Neg",
  "Reciprocal",
  "ReduceLogSumExp",
  "ReduceMean",
  "ReduceSum",
  "ReduceSumSquare",
  "Reshape",
  "ScatterElements",
  "ScatterND",
  "Shape",
  "Sigmoid",
  "Softmax",
  "Split",
  "Sqrt",
  "Sub",
  "Tanh",
  "Transpose",
  "Where",
  // ---
  "FusedMatMul",
  "GroupQueryAttention",
  "RotaryEmbedding",
  "SimplifiedLayerNormalization",
] as const;
export type Op = (typeof OPS)[number];

function one(
  op: Op,
  inputs: readonly (Value | undefined)[],
  dtype: DType,
  shape: Shape,
  attributes?: Record<string, Attribute>,
): Value {
  const graph = inputs.find((input) => input !== undefined)?.graph;
  if (!graph) throw new Error(`${op}: needs an input`);
  return graph.emit(op, inputs, [{ dtype, shape }], attributes)[0] as Value;
}

function elementwise(op: Op, a: Value, b: Value): Value {
  if (a.dtype !== b.dtype) throw new TypeError(`${op}: operands differ in dtype: ${a.dtype} and ${b.dtype}`);
  return one(op, [a, b], a.dtype, broadcast(op, a.shape, b.shape));
}

const unary =
  (op: Op) =>
  (x: Value): Value =>
    one(op, [x], x.dtype, x.shape);

export const add = (a: Value, b: Value): Value => elementwise("Add", a, b);
export const sub = (a: Value, b: Value): Value => elementwise("Sub", a, b);
export const mul = (a: Value, b: Value): Value => elementwise("Mul", a, b);
export const div = (a: Value, b: Value): Value => elementwise("Div", a, b);
/** Multiplies by a number. */
export const scale = (x: Value, factor: number): Value => (factor === 1 ? x : mul(x, x.graph.scalar(factor, x.dtype)));

export const neg: (x: Value) => Value = unary("Neg");
export const exp: (x: Value) => Value = unary("Exp");
export const sqrt: (x: Value) => Value = unary("Sqrt");
export const reciprocal: (x: Value) => Value = unary("Reciprocal");
export const tanh: (x: Value) => Value = unary("Tanh");
export const sigmoid: (x: Value) => Value = unary("Sigmoid");
export const identity: (x: Value) => Value = unary("Identity");
/** The tanh approximation of GELU. */
export const gelu = (x: Value): Value => one("Gelu", [x], x.dtype, x.shape, { approximate: "tanh" });

/** x · sigmoid(x). */
export const silu = (x: Value): Value => mul(x, sigmoid(x));

/** ONNX's numbers for the dtypes. */
export const ONNX_DTYPE: Readonly<Record<DType, number>> = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
  bfloat16: 16,
};

/** `condition` (bool) chooses between a and b. */
export function where(condition: Value, a: Value, b: Value): Value {
  if (condition.dtype !== "bool") throw new TypeError(`Where: the condition is ${condition.dtype}, expected bool`);
  const shape = broadcast("Where", condition.shape, broadcast("Where", a.shape, b.shape));
  return one("Where", [condition, a, b], a.dtype, shape);
}

export interface MatMulOptions {
  readonly transA?: boolean;
  readonly transB?: boolean;
  /** Factor of the product. */
  readonly alpha?: number;
}

const swapLast = (rank: number): number[] => [
  ...Array.from({ length: rank - 2 }, (_, axis) => axis),
  rank - 1,
  rank - 2,
];

/** Batched matrix product of values of rank 2 or more, with either operand transposed (last two axes) first. */
export function matmul(a: Value, b: Value, { transA = false, transB = false, alpha = 1 }: MatMulOptions = {}): Value {
  if (a.shape.length < 2 || b.shape.length < 2) throw new TypeError("MatMul: operands need a rank of 2 or more");
  const fused = a.graph.options.fusedMatMul === true && (transA || transB || alpha !== 1);
  if (!fused && (transA || transB || alpha !== 1)) {
    const left = transA ? transpose(a, swapLast(a.shape.length)) : a;
    const right = transB ? transpose(b, swapLast(b.shape.length)) : b;
    return scale(matmul(left, right), alpha);
  }
  const [rows, inner] = transA ? [a.shape.at(-1), a.shape.at(-2)] : [a.shape.at(-2), a.shape.at(-1)];
  const [innerB, columns] = transB ? [b.shape.at(-1), b.shape.at(-2)] : [b.shape.at(-2), b.shape.at(-1)];
  mustMatch("MatMul", inner, innerB, a, b);
  const batch = broadcast("MatMul", a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, rows as Dim, columns as Dim];
  if (!fused) return one("MatMul", [a, b], a.dtype, shape);
  const attributes = {
    transA: Number(transA),
    transB: Number(transB),
    alpha: { float: alpha },
  };
  return one("FusedMatMul", [a, b], a.dtype, shape, attributes);
}

/** a·b (+ bias) of two matrices, with either transposed. PyTorch's [out, in] weights want transB. */
export function gemm(a: Value, b: Value, options: { transA?: boolean; transB?: boolean } = {}, bias?: Value): Value {
  const { transA = false, transB = false } = options;
  if (a.shape.length !== 2 || b.shape.length !== 2) {
    throw new TypeError(`Gemm: expected two matrices, got ${showShape(a.shape)} and ${showShape(b.shape)}`);
  }
  const [rows, inner] = transA ? [a.shape[1], a.shape[0]] : [a.shape[0], a.shape[1]];
  const [innerB, columns] = transB ? [b.shape[1], b.shape[0]] : [b.shape[0], b.shape[1]];
  mustMatch("Gemm", inner, innerB, a, b);
  const attributes = { transA: Number(transA), transB: Number(transB) };
  return one("Gemm", bias ? [a, b, bias] : [a, b], a.dtype, [rows as Dim, columns as Dim], attributes);
}

function mustMatch(op: Op, inner: Dim | undefined, innerB: Dim | undefined, a: Value, b: Value): void {
  if (inner !== innerB && typeof inner === "number" && typeof innerB === "number") {
    throw new TypeError(`${op}: inner sizes differ: ${showShape(a.shape)} and ${showShape(b.shape)}`);
  }
}

/** Over the last axis. */
export const softmax = (x: Value): Value => one("Softmax", [x], x.dtype, x.shape, { axis: -1 });

const reduction =
  (op: Op) =>
  (x: Value, axes: readonly number[], keep = true): Value =>
    one(op, [x, x.graph.indices(axes)], x.dtype, reduced(x.shape, axes, keep), {
      keepdims: Number(keep),
    });

export const reduceSum: (x: Value, axes: readonly number[], keep?: boolean) => Value = reduction("ReduceSum");
export const reduceMean: (x: Value, axes: readonly number[], keep?: boolean) => Value = reduction("ReduceMean");
export const reduceSumSquare: (x: Value, axes: readonly number[], keep?: boolean) => Value =
  reduction("ReduceSumSquare");
export const reduceLogSumExp: (x: Value, axes: readonly number[], keep?: boolean) => Value =
  reduction("ReduceLogSumExp");

/**
 * The same elements under another shape. Symbols that a graph input has are looked up when the graph runs; one other
 * symbol may stand for whatever is left.
 */
export function reshape(x: Value, shape: Shape): Value {
  const { graph } = x;
  const unknown = shape.filter((dim) => typeof dim === "string");
  if (unknown.length <= 1) {
    const target = shape.map((dim) => (typeof dim === "string" ? -1 : dim));
    return one("Reshape", [x, graph.indices(target)], x.dtype, shape);
  }
  return one("Reshape", [x, graph.runtimeShape(shape)], x.dtype, shape);
}

export function transpose(x: Value, permutation: readonly number[]): Value {
  const shape = permutation.map((axis) => x.shape[axis] as Dim);
  return one("Transpose", [x], x.dtype, shape, { perm: permutation });
}

/** Repeats axes of size 1 until the value has the shape of another. */
export function expandLike(x: Value, like: Value): Value {
  const shape = like.shape.every((dim) => typeof dim === "number")
    ? x.graph.runtimeShape(like.shape)
    : one("Shape", [like], "int64", [like.shape.length]);
  return one("Expand", [x, shape], x.dtype, like.shape);
}

export function concat(parts: readonly Value[], axis: number): Value {
  const [first] = parts;
  if (!first) throw new Error("Concat: nothing to join");
  const at = axis < 0 ? first.shape.length + axis : axis;
  const sizes = parts.map((part) => part.shape[at] as Dim);
  const total = sizes.every((size) => typeof size === "number")
    ? sizes.reduce((sum, size) => sum + size, 0)
    : sizes.join("+");
  return one("Concat", parts, first.dtype, first.shape.with(at, total), {
    axis: at,
  });
}

/** Cuts a value into parts of the given sizes. */
export function split(x: Value, sizes: readonly number[], axis: number): readonly Value[] {
  const at = axis < 0 ? x.shape.length + axis : axis;
  const whole = sizes.reduce((sum, size) => sum + size, 0);
  if (x.shape[at] !== whole) {
    throw new TypeError(`Split: axis ${at} of ${showShape(x.shape)} cannot be cut into [${sizes.join(", ")}]`);
  }
  const outputs = sizes.map((size) => ({
    dtype: x.dtype,
    shape: x.shape.with(at, size),
  }));
  return x.graph.emit("Split", [x, x.graph.indices(sizes)], outputs, {
    axis: at,
  });
}

/** Rows of `x` (axis 0) by index: [rows, ...] and [n...] give [n..., ...]. */
export const gather = (x: Value, indices: Value): Value =>
  one("Gather", [x, indices], x.dtype, [...indices.shape, ...x.shape.slice(1)], { axis: 0 });

/** y[i, j] = x[i, indices[i, j]] along the last axis. */
export const gatherElements = (x: Value, indices: Value): Value =>
  one("GatherElements", [x, indices], x.dtype, indices.shape, {
    axis: x.shape.length - 1,
  });

/** Adds `updates` to `x` at `indices` along the last axis. */
export const scatterElementsAdd = (x: Value, indices: Value, updates: Value): Value =>
  one("ScatterElements", [x, indices, updates], x.dtype, x.shape, {
    axis: x.shape.length - 1,
    reduction: "add",
  });

/** Adds rows: `x` [rows, ...], `indices` int64 [n, 1], `updates` [n, ...]. */
export const scatterRowsAdd = (x: Value, indices: Value, updates: Value): Value =>
  one("ScatterND", [x, indices, updates], x.dtype, x.shape, {
    reduction: "add",
  });

/** Zeros of another value's type and shape. */
export const zerosLike = (x: Value): Value => expandLike(x.graph.scalar(0, x.dtype), x);

/** x / rms(x) · weight over the last axis. */
export const rmsNorm = (x: Value, weight: Value, epsilon: number): Value =>
  one("SimplifiedLayerNormalization", [x, weight], x.dtype, x.shape, {
    axis: -1,
    epsilon: { float: epsilon },
  });

export interface Rotary {
  /** int64 [batch, seq]. */
  readonly positions: Value;
  /** [positions, rotated / 2], as is `sin`. */
  readonly cos: Value;
  readonly sin: Value;
  readonly heads: number;
  /** Leading channels of each head that are rotated, in interleaved pairs. */
  readonly rotated: number;
}

/** Rotary position embedding of x [batch, seq, heads·size]. */
export function rotary(x: Value, { positions, cos, sin, heads, rotated }: Rotary): Value {
  const attributes = {
    interleaved: 1,
    num_heads: heads,
    rotary_embedding_dim: rotated,
  };
  return one("RotaryEmbedding", [x, positions, cos, sin], x.dtype, x.shape, attributes);
}

export interface CachedAttention {
  /** [batch, groups, capacity, size]: the cache, written in place when bound as input and output. */
  readonly pastKey: Value;
  readonly pastValue: Value;
  /** int32 [batch]: tokens of each row so far minus one, new ones included. */
  readonly lastIndex: Value;
  /** int32 scalar: the longest row's tokens so far. */
  readonly total: Value;
  readonly heads: number;
  readonly groups: number;
}

/** Causal attention on a static cache: q, k, v [batch, seq, ...]; returns output, new key cache, new value cache. */
export function cachedAttention(q: Value, k: Value, v: Value, cache: CachedAttention): readonly [Value, Value, Value] {
  const { pastKey, pastValue, lastIndex, total, heads, groups } = cache;
  const type = (like: Value) => ({ dtype: like.dtype, shape: like.shape });
  const made = q.graph.emit(
    "GroupQueryAttention",
    [q, k, v, pastKey, pastValue, lastIndex, total],
    [type(q), type(pastKey), type(pastValue)],
    { num_heads: heads, kv_num_heads: groups },
  );
  return made as readonly [Value, Value, Value];
}
