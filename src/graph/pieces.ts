/** @file Matrices as float32 a few rows at a time: no more than a product needs, and no sooner. */
import { add, cast, emitOne, mul, reshape, split } from "./ops.ts";
import type { Value } from "./value.ts";

/** Consecutive rows of a matrix. */
export interface Piece {
  readonly from: number;
  readonly to: number;
}

/**
 * Elements of a piece: 128 MB in float32, of which 4-bit matrices have half at a time. Of smaller ones, a large model's
 * graph would have tens of thousands of nodes.
 */
const PIECE = 2 ** 25;

export function piecesOf({ graph }: Value, rows: number, columns: number): Piece[] {
  if (graph.options.feedsWeights) return [{ from: 0, to: rows }];
  const count = Math.ceil((rows * columns) / PIECE);
  const step = Math.ceil(rows / count);
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({
    from: i * step,
    to: Math.min((i + 1) * step, rows),
  }));
}

/** A value cut along an axis as the pieces are. */
export const parts = (x: Value, pieces: readonly Piece[], axis: number): readonly Value[] =>
  split(
    x,
    pieces.map(({ from, to }) => to - from),
    axis,
  );

/** Replaces what gradients would find between `y` and `x`: float32 matrices that are cheaper made again than kept. */
export function withGradient(y: Value, x: Value, gradient: (dy: Value) => Value): Value {
  y.graph.adjoints.set(y, { operand: x, gradient });
  return y;
}

/**
 * Known numbers, int64 [n], that are only available once `near` is: onnxruntime runs whatever it can before everything
 * else, and would hold all matrices of a model in float32 at once (or make them when it loads the model).
 */
export function constantAfter(near: Value, numbers: readonly number[]): Value {
  const { graph } = near;
  const size = emitOne("Shape", [near], "int64", [1], { start: 0, end: 1 });
  return add(graph.indices(numbers), mul(size, graph.indices([0])));
}

/** Rows `from` to `to` of a weight that is seen as [rows, ...]. */
export const weightRows = (whole: Value, shape: readonly number[], from: number, to: number): Value =>
  from === 0 && to === shape[0] ? reshape(whole, shape) : whole.graph.rows(whole, shape, from, to);

/** Rows [rows, columns] of what is padded to whole blocks. */
export function withoutPadding(values: Value, rows: number, padded: number, columns: number): Value {
  const matrix = reshape(values, [rows, padded]);
  return padded === columns ? matrix : (split(matrix, [columns, padded - columns], 1)[0] as Value);
}

/** A weight that is only there once `near` is. */
export function late(weight: Value, near: Value): Value {
  return mul(weight, reshape(cast(constantAfter(near, [1]), "float32"), []));
}

/** Keeps a weight from being copied when it is packed: kernels pack only what is there before the first run. */
export function afterInput(weight: Value, near: Value): Value {
  const shape = constantAfter(near, weight.shape as number[]);
  const value = emitOne("Reshape", [weight, shape], weight.dtype, weight.shape);
  // Only its being there depends on what is near, not its numbers.
  value.graph.detached.add(value);
  return value;
}
