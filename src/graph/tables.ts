/** @file Weights that are too large for one tensor of a device: consecutive rows, each part a weight of its own. */

import { elementSize, sizeOf } from "../tensor.ts";
import { abs, add, cast, concat, gather, gemm, maximum, mul, neg, reshape, sub } from "./ops.ts";
import type { Value } from "./value.ts";

/** Some rows of a matrix [rows, width]. */
export interface Part {
  readonly from: number;
  readonly to: number;
  /** [to - from, width]. */
  readonly rows: Value;
}

/** A matrix in as few parts as the graph's device needs, of nearly equal size: the matrix itself where it is not too large. */
export function partsOf(matrix: Value): readonly Part[] {
  const { graph, dtype } = matrix;
  const [rows, width] = matrix.shape as [number, number];
  const bytes = sizeOf([rows, width]) * elementSize[dtype];
  const count = Math.ceil(bytes / (graph.options.largestWeight ?? Number.POSITIVE_INFINITY));
  if (count <= 1) return [{ from: 0, to: rows, rows: matrix }];
  const step = Math.ceil(rows / count);
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => {
    const [from, to] = [i * step, Math.min((i + 1) * step, rows)];
    return { from, to, rows: graph.rows(matrix, [rows, width], from, to) };
  });
}

/** x [tokens, width] times the transposed matrix, plus a bias [rows]: [tokens, rows]. */
export function productOfParts(x: Value, parts: readonly Part[], bias?: Value): Value {
  const [only] = parts;
  if (only && parts.length === 1) return gemm(x, only.rows, { transB: true }, bias);
  const product = concat(
    parts.map(({ rows }) => gemm(x, rows, { transB: true })),
    1,
  );
  return bias ? add(product, bias) : product;
}

/** Rows by index: ids int64 [...] give [..., width] in float32. */
export function rowsOfParts(parts: readonly Part[], ids: Value): Value {
  const [only] = parts;
  // Rows first: only those are made float32.
  if (only && parts.length === 1) return cast(gather(only.rows, ids), "float32");
  const { graph } = ids;
  const index = (number: number) => graph.constant("int64", [], BigInt64Array.of(BigInt(number)));
  return parts
    .map(({ from, to, rows }) => {
      const wanted = sub(ids, index(from));
      // Those of other parts stand for any row of this one, times 0.
      const inside = neg(maximum(neg(maximum(wanted, index(0))), index(from - to + 1)));
      const distance = abs(cast(sub(wanted, inside), "float32"));
      const share = maximum(sub(graph.scalar(1), distance), graph.scalar(0));
      return mul(cast(gather(rows, inside), "float32"), reshape(share, [...ids.shape, 1]));
    })
    .reduce(add);
}
