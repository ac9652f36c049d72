/**
 * @file DoRA: the changed weights W + s·B·A keep their direction and get lengths m that are learnt, row by row: the module's
 * output is g·(x·Wᵀ + s·x·Aᵀ·Bᵀ) with the gain g = m / |W + s·B·A|. Source: Liu et al. 2024; as in PEFT, gradients do not pass the norm.
 */
import { add, detached, div, matmul, maximum, mul, reduceSum, reshape, scale, sqrt, transpose } from "../graph/ops.ts";
import type { Value } from "../graph/value.ts";
import { type FloatTensor, tensor } from "../tensor.ts";

export interface Direction {
  /** A [r, in] and B [out, r]. */
  readonly a: Value;
  readonly b: Value;
  /** s: [1, 1]. */
  readonly factor: Value;
  /** Squares of the lengths of W's rows: [1, out]. */
  readonly squares: Value;
  /** m: [out]. */
  readonly magnitude: Value;
  /** Rows [r, in] times Wᵀ: [r, out]. */
  product(rows: Value): Value;
}

/** Keeps what is 0 from being divided by. */
const TINY = 1e-30;

/**
 * g: [1, out]. The squares of W + s·B·A by row are those of W, 2s·(W·Aᵀ)∘B and s²·(B·A·Aᵀ)∘B: nothing of W's size is made. Where B
 * is 0, the gain is what the starting lengths are divided by themselves.
 */
export function gainOf({ a, b, factor, squares, magnitude, product }: Direction): Value {
  const [rows, columns] = [detached(a), transpose(detached(b), [1, 0])];
  const cross = reduceSum(mul(product(rows), columns), [0]);
  const own = reduceSum(mul(matmul(matmul(rows, rows, { transB: true }), columns), columns), [0]);
  const grown = add(mul(cross, scale(factor, 2)), mul(own, mul(factor, factor)));
  const square = maximum(add(squares, grown), squares.graph.scalar(TINY));
  return div(reshape(magnitude, squares.shape), detached(sqrt(square)));
}

/** The lengths of rows whose squares are given, in the precision of graphs: [rows]. */
export const lengths = (squares: Float32Array): FloatTensor =>
  tensor(
    "float32",
    [squares.length],
    squares.map((square) => Math.sqrt(square)),
  );

/** The same gain, of lengths and the squares of the changed weights' rows: [out]. */
export function gainOfNumbers(magnitude: FloatTensor, squares: Float32Array): FloatTensor {
  const norms = lengths(squares.map((square) => Math.max(square, TINY)));
  return tensor(
    "float32",
    magnitude.shape,
    magnitude.data.map((m, i) => m / (norms.data[i] as number)),
  );
}
