/**
 * @file Products with matrices that are held in float16: in float16, or by way of float32 that is made where it is needed
 * and lives no longer than its product (so that a gradient can pass).
 */
import { add, cast, concat, gemm, split } from "./ops.ts";
import { afterInput, withGradient } from "./pieces.ts";
import { type Part, productOfParts } from "./tables.ts";
import type { Value } from "./value.ts";

/**
 * x [tokens, width] in float16, times the transposed matrix, plus a bias [rows]: float32 [tokens, rows]. Sums are as exact as
 * the device's float16 kernels make them.
 * @param x16 x as float16, which several products share
 */
export const halfProduct = (x16: Value, parts: readonly Part[], bias?: Value): Value =>
  cast(productOfParts(x16, parts, bias && cast(bias, "float16")), "float32");

const heights = (parts: readonly Part[]): number[] => parts.map(({ from, to }) => to - from);

/** The same in float32, with a gradient to x. */
export function widenedProduct(x: Value, parts: readonly Part[], bias?: Value): Value {
  const wide = ({ rows }: Part, near: Value): Value => cast(afterInput(rows, near), "float32");
  const products: Value[] = [];
  for (const part of parts) products.push(gemm(x, wide(part, products.at(-1) ?? x), { transB: true }));
  const product = withGradient(concat(products, 1), x, (dy) => {
    let sum: Value | undefined;
    for (const [i, piece] of split(dy, heights(parts), 1).entries()) {
      sum = gemm(piece, wide(parts[i] as Part, sum ?? piece), {}, sum);
    }
    return sum as Value;
  });
  return bias ? add(product, cast(bias, "float32")) : product;
}
