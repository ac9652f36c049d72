/** @file The operators: each function checks its operands, infers the result's type and appends one ONNX node. */
import type { DType } from "../tensor.ts";
import { onnxType } from "./dtype.ts";
import type { Op } from "./op.ts";
import { broadcast, reduced } from "./shape.ts";
import { type Attribute, type Dim, type Shape, showShape, staticSize, type Value } from "./value.ts";

/** Appends a node with one output. */
export function emitOne(
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
  const left = unrepeated(a, b);
  const right = left === a ? unrepeated(b, a) : b;
  return emitOne(op, [left, right], a.dtype, broadcast(op, a.shape, b.shape));
}

/** What `x` was before it was repeated to the shape that broadcasting to `other` gives it anyway. */
function unrepeated(x: Value, other: Value): Value {
  const repeats = x.node?.op === "Expand" && showShape(x.shape) === showShape(other.shape);
  return repeats ? (x.node?.inputs[0] as Value) : x;
}

const unary =
  (op: Op) =>
  (x: Value): Value =>
    emitOne(op, [x], x.dtype, x.shape);

export const add = (a: Value, b: Value): Value => elementwise("Add", a, b);
export const sub = (a: Value, b: Value): Value => elementwise("Sub", a, b);
export const mul = (a: Value, b: Value): Value => elementwise("Mul", a, b);
export const div = (a: Value, b: Value): Value => elementwise("Div", a, b);
/** Multiplies by a number. */
export const scale = (x: Value, factor: number): Value => (factor === 1 ? x : mul(x, x.graph.scalar(factor, x.dtype)));

/** The larger of both, element by element. */
export const maximum = (a: Value, b: Value): Value => elementwise("Max", a, b);

export const neg: (x: Value) => Value = unary("Neg");
export const abs: (x: Value) => Value = unary("Abs");
export const exp: (x: Value) => Value = unary("Exp");
export const log: (x: Value) => Value = unary("Log");
export const sqrt: (x: Value) => Value = unary("Sqrt");
export const reciprocal: (x: Value) => Value = unary("Reciprocal");
export const tanh: (x: Value) => Value = unary("Tanh");
export const sigmoid: (x: Value) => Value = unary("Sigmoid");
export const identity: (x: Value) => Value = unary("Identity");

/** The same numbers in another type. */
export const cast = (x: Value, dtype: DType): Value =>
  x.dtype === dtype ? x : emitOne("Cast", [x], dtype, x.shape, { to: onnxType[dtype] });

/** The same elements, through which no gradient passes. */
export function detached(x: Value): Value {
  const value = identity(x);
  x.graph.detached.add(value);
  return value;
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
  if (!fused) return emitOne("MatMul", [a, b], a.dtype, shape);
  const attributes = {
    transA: Number(transA),
    transB: Number(transB),
    alpha: { float: alpha },
  };
  return emitOne("FusedMatMul", [a, b], a.dtype, shape, attributes);
}

/**
 * alpha·a·b (+ addend) of two matrices, with either transposed first. PyTorch's [out, in] weights want transB.
 * @param addend whatever broadcasts to the product: a bias, or a matrix of its shape
 */
export function gemm(a: Value, b: Value, options: MatMulOptions = {}, addend?: Value): Value {
  const { transA = false, transB = false, alpha = 1 } = options;
  if (a.shape.length !== 2 || b.shape.length !== 2) {
    throw new TypeError(`Gemm: expected two matrices, got ${showShape(a.shape)} and ${showShape(b.shape)}`);
  }
  const [rows, inner] = transA ? [a.shape[1], a.shape[0]] : [a.shape[0], a.shape[1]];
  const [innerB, columns] = transB ? [b.shape[1], b.shape[0]] : [b.shape[0], b.shape[1]];
  mustMatch("Gemm", inner, innerB, a, b);
  const shape = [rows as Dim, columns as Dim];
  if (addend && showShape(broadcast("Gemm", addend.shape, shape)) !== showShape(shape)) {
    throw new TypeError(`Gemm: an addend ${showShape(addend.shape)} does not fit a product ${showShape(shape)}`);
  }
  const attributes = { transA: Number(transA), transB: Number(transB), alpha: { float: alpha } };
  return emitOne("Gemm", addend ? [a, b, addend] : [a, b], a.dtype, shape, attributes);
}

function mustMatch(op: Op, inner: Dim | undefined, innerB: Dim | undefined, a: Value, b: Value): void {
  if (inner !== innerB && typeof inner === "number" && typeof innerB === "number") {
    throw new TypeError(`${op}: inner sizes differ: ${showShape(a.shape)} and ${showShape(b.shape)}`);
  }
}

/** Over the last axis. */
export const softmax = (x: Value): Value => emitOne("Softmax", [x], x.dtype, x.shape, { axis: -1 });

const reduction =
  (op: Op) =>
  (x: Value, axes: readonly number[], keep = true): Value =>
    emitOne(op, [x, x.graph.indices(axes)], x.dtype, reduced(x.shape, axes, keep), {
      keepdims: Number(keep),
    });

export const reduceSum: (x: Value, axes: readonly number[], keep?: boolean) => Value = reduction("ReduceSum");
export const reduceMax: (x: Value, axes: readonly number[], keep?: boolean) => Value = reduction("ReduceMax");
export const reduceMean: (x: Value, axes: readonly number[], keep?: boolean) => Value = reduction("ReduceMean");

/**
 * The same elements under another shape. Symbols that a graph input has are looked up when the graph runs; one other
 * symbol may stand for whatever is left.
 */
export function reshape(x: Value, shape: Shape): Value {
  if (showShape(x.shape) === showShape(shape)) return x;
  const { graph } = x;
  const [before, after] = [staticSize(x.shape), staticSize(shape)];
  if (before !== undefined && after !== undefined && before !== after) {
    throw new TypeError(
      `Reshape: ${showShape(x.shape)} has ${before} elements, ${showShape(shape)} has ${after}: they must be as many`,
    );
  }
  const unknown = shape.filter((dim) => typeof dim === "string");
  if (unknown.length <= 1) {
    const target = shape.map((dim) => (typeof dim === "string" ? -1 : dim));
    return emitOne("Reshape", [x, graph.indices(target)], x.dtype, shape);
  }
  return emitOne("Reshape", [x, graph.runtimeShape(shape)], x.dtype, shape);
}

export function transpose(x: Value, permutation: readonly number[]): Value {
  const shape = permutation.map((axis) => x.shape[axis] as Dim);
  return emitOne("Transpose", [x], x.dtype, shape, { perm: permutation });
}

/** Repeats axes of size 1 until the value has the shape of another. */
export function expandLike(x: Value, like: Value): Value {
  const shape = like.shape.every((dim) => typeof dim === "number")
    ? x.graph.runtimeShape(like.shape)
    : emitOne("Shape", [like], "int64", [like.shape.length]);
  return emitOne("Expand", [x, shape], x.dtype, like.shape);
}

/** @param whole what the size along the axis is called, where an input has it */
export function concat(parts: readonly Value[], axis: number, whole?: string): Value {
  const [first] = parts;
  if (!first) throw new Error("Concat: nothing to join");
  if (parts.length === 1) return first;
  const at = axis < 0 ? first.shape.length + axis : axis;
  const sizes = parts.map((part) => part.shape[at] as Dim);
  const total = staticSum(sizes) ?? whole ?? sizes.join("+");
  return emitOne("Concat", parts, first.dtype, first.shape.with(at, total), {
    axis: at,
  });
}

/** Cuts a value into parts of the given sizes; symbols among them are those of graph inputs. */
export function split(x: Value, sizes: readonly Dim[], axis: number): readonly Value[] {
  const at = axis < 0 ? x.shape.length + axis : axis;
  const whole = x.shape[at];
  if (sizes.length === 1 && sizes[0] === whole) return [x];
  const known = staticSum(sizes);
  if (known !== undefined && whole !== known) {
    throw new TypeError(`Split: axis ${at} of ${showShape(x.shape)} cannot be cut into [${sizes.join(", ")}]`);
  }
  const outputs = sizes.map((size) => ({
    dtype: x.dtype,
    shape: x.shape.with(at, size),
  }));
  return x.graph.emit("Split", [x, x.graph.runtimeShape(sizes)], outputs, {
    axis: at,
  });
}

/** Undefined where a symbol is among them. */
const staticSum = (sizes: readonly Dim[]): number | undefined =>
  sizes.every((size) => typeof size === "number") ? sizes.reduce((sum, size) => sum + size, 0) : undefined;

/** Rows of `x` (axis 0) by index: [rows, ...] and [n...] give [n..., ...]. */
export const gather = (x: Value, indices: Value): Value =>
  emitOne("Gather", [x, indices], x.dtype, [...indices.shape, ...x.shape.slice(1)], { axis: 0 });

/** y[i, j] = x[i, indices[i, j]] along the last axis. */
export const gatherElements = (x: Value, indices: Value): Value =>
  emitOne("GatherElements", [x, indices], x.dtype, indices.shape, {
    axis: x.shape.length - 1,
  });

/** Adds `updates` to `x` at `indices` along the last axis. */
export const scatterElementsAdd = (x: Value, indices: Value, updates: Value): Value =>
  emitOne("ScatterElements", [x, indices, updates], x.dtype, x.shape, {
    axis: x.shape.length - 1,
    reduction: "add",
  });

/** Adds rows: `x` [rows, ...], `indices` int64 [n, 1], `updates` [n, ...]. */
export const scatterRowsAdd = (x: Value, indices: Value, updates: Value): Value =>
  emitOne("ScatterND", [x, indices, updates], x.dtype, x.shape, {
    reduction: "add",
  });

/** Zeros of another value's type and shape. */
export const zerosLike = (x: Value): Value => expandLike(x.graph.scalar(0, x.dtype), x);
