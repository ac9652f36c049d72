/**
 * @file Products with matrices that are held in fewer bits: by kernels that compute with the codes, or by way of float32
 * that is made where it is needed and lives no longer than its product (so that a gradient can pass).
 */
import { BLOCK, type BlockMatrix, blocksOf, zeroCode } from "./block-matrix.ts";
import {
  add,
  cast,
  concat,
  div,
  emitOne,
  gemm,
  matmul,
  mul,
  reduceMax,
  reshape,
  scale,
  sub,
  transpose,
} from "./ops.ts";
import { pairedGradient, pairedProduct } from "./paired-codes.ts";
import {
  afterInput,
  constantAfter,
  late,
  type Piece,
  parts,
  piecesOf,
  weightRows,
  withGradient,
  withoutPadding,
} from "./pieces.ts";
import { type Dim, type Shape, showShape, type Value } from "./value.ts";

/** A matrix [out, in] of 8-bit codes, held transposed: element = code · scale of its row of [out, in]. */
export interface RowMatrix {
  /** int8 [in, out], from -127 to 127. */
  readonly codes: Value;
  /** float32 [out]. */
  readonly scales: Value;
}

/**
 * x [tokens, in] times the transposed matrix: [tokens, out].
 * @param exact float32 arithmetic; else x is rounded to 8 bits a block, which is faster
 * @param bias [out], added to each token's product
 */
export function blockProduct(x: Value, matrix: BlockMatrix, exact: boolean, bias?: Value): Value {
  const { codes, scales, bits } = matrix;
  const attributes = { K: matrix.in, N: matrix.out, bits, block_size: BLOCK, accuracy_level: exact ? 0 : 4 };
  checkWidth("MatMulNBits", x, matrix.in);
  const operands = bias ? [x, codes, scales, undefined, undefined, bias] : [x, codes, scales];
  return emitOne("MatMulNBits", operands, x.dtype, [x.shape[0] as Dim, matrix.out], attributes);
}

/** The same by way of float32, with a gradient to x. */
export function dequantizedBlockProduct(x: Value, matrix: BlockMatrix): Value {
  checkWidth("dequantized product", x, matrix.in);
  return matrix.bits === 4 ? pairedProduct(x, matrix) : byteProduct(x, matrix);
}

/**
 * The exact product by the kernel, with a gradient by way of float32.
 * @param packed the 4-bit matrix as its kernel packs it
 * @param plain the same as it lies in its file
 */
export function packedBlockProduct(x: Value, packed: BlockMatrix, plain: BlockMatrix): Value {
  return withGradient(blockProduct(x, packed, true), x, (dy) => pairedGradient(dy, plain));
}

/** By 8-bit codes. */
function byteProduct(x: Value, matrix: BlockMatrix): Value {
  const { in: columns, out } = matrix;
  const pieces = piecesOf(x, out, columns);
  const products: Value[] = [];
  for (const piece of pieces) {
    products.push(gemm(x, rowsOf(matrix, piece, products.at(-1) ?? x), { transB: true }));
  }
  return withGradient(concat(products, 1), x, (dy) => {
    let sum: Value | undefined;
    for (const [i, part] of parts(dy, pieces, 1).entries()) {
      sum = gemm(part, rowsOf(matrix, pieces[i] as Piece, sum ?? part), {}, sum);
    }
    return sum as Value;
  });
}

/** Some rows of an 8-bit matrix in float32, [rows, columns], not before `near` is there. */
function rowsOf({ codes, scales, in: columns, out }: BlockMatrix, { from, to }: Piece, near: Value): Value {
  const { graph } = codes;
  const blocks = blocksOf(columns);
  const bytes = weightRows(codes, [out * blocks, BLOCK], from * blocks, to * blocks);
  const scale = late(weightRows(scales, [out * blocks], from * blocks, to * blocks), near);
  const zeros = graph.filled(zeroCode(8), (to - from) * blocks);
  const values = emitOne("DequantizeLinear", [bytes, scale, zeros], "float32", bytes.shape, { axis: 0 });
  return withoutPadding(values, to - from, blocks * BLOCK, columns);
}

/** Numbers that the integer product takes, at most: 7 bits, since kernels of older processors add two products in 16. */
const LIMB = 63;
/**
 * Each limb has what is left of x after those before it: four are 28 bits of x, relative to the largest of its row, and
 * as exact as float32; two are 14.
 */
const LIMBS = { exact: 4, fast: 2 } as const;

/**
 * x [tokens, in] times the transposed matrix: x is taken apart into small integers, whose products with the codes are
 * exact, and one pass over the codes serves all parts.
 * @param exact as exact as float32; else x is rounded to 14 bits, which is faster
 */
export function limbProduct(x: Value, { codes, scales }: RowMatrix, exact: boolean): Value {
  const { graph } = x;
  const [width, out] = codes.shape as [number, number];
  checkWidth("MatMulIntegerToFloat", x, width);
  const count = exact ? LIMBS.exact : LIMBS.fast;
  const scalar = (number: number) => graph.scalar(number);
  const largest = reduceMax(emitOne("Abs", [x], x.dtype, x.shape), [-1]);
  // A row of zeros has no unit: any will do.
  const unit = scale(emitOne("Max", [largest, scalar(1e-30)], x.dtype, largest.shape), 1 / LIMB);
  const limbs: Value[] = [];
  let rest = div(x, unit);
  for (let i = 0; i < count; i += 1) {
    if (i > 0) rest = scale(sub(rest, limbs.at(-1) as Value), 2 * LIMB);
    limbs.push(emitOne("Round", [rest], x.dtype, x.shape));
  }
  const zero = LIMB + 1;
  const bytes = cast(add(concat(limbs, 0), scalar(zero)), "uint8");
  const operands = [bytes, codes, scalar(1), scales, graph.constant("uint8", [], Uint8Array.of(zero))];
  const products = emitOne("MatMulIntegerToFloat", operands, "float32", [bytes.shape[0] as Dim, out]);
  const parts = equalParts(products, count, [x.shape[0] as Dim, out]);
  return mul(
    parts.reduceRight((sum, part) => add(part, scale(sum, 1 / (2 * LIMB)))),
    unit,
  );
}

function equalParts(x: Value, count: number, shape: Shape): readonly Value[] {
  const outputs = Array.from({ length: count }, () => ({ dtype: x.dtype, shape }));
  return x.graph.emit("Split", [x], outputs, { axis: 0, num_outputs: count });
}

/** Columns of a matrix that one product reads at a time, where it sums over rows. */
const STRIP = 64;

/** The same by way of float32, with a gradient to x. */
export function dequantizedRowProduct(x: Value, { codes, scales }: RowMatrix): Value {
  const [width, out] = codes.shape as [number, number];
  checkWidth("dequantized product", x, width);
  const pieces = piecesOf(x, width, out);
  const floats = (some: Value, near: Value): Value =>
    emitOne("DequantizeLinear", [some, reshape(cast(constantAfter(near, [1]), "float32"), [])], "float32", some.shape);
  const values = ({ from, to }: Piece, near: Value): Value => floats(weightRows(codes, [width, out], from, to), near);
  // In strips of columns, for the reason that `pairedGradient` has.
  const inStrips = x.graph.options.byteArithmetic === true && out % STRIP === 0;
  const product = (part: Value, { from, to }: Piece, near: Value): Value => {
    const rows = afterInput(weightRows(codes, [width, out / STRIP, STRIP], from, to), near);
    return matmul(part, floats(transpose(rows, [1, 0, 2]), near));
  };
  let sum: Value | undefined;
  for (const [i, part] of parts(x, pieces, 1).entries()) {
    const piece = pieces[i] as Piece;
    if (!inStrips) sum = gemm(part, values(piece, sum ?? part), {}, sum);
    else sum = sum ? add(sum, product(part, piece, sum)) : product(part, piece, part);
  }
  const y = inStrips ? reshape(transpose(sum as Value, [1, 0, 2]), [x.shape[0] as Dim, out]) : (sum as Value);
  // The scales are left for the product, which has fewer elements.
  return withGradient(mul(y, scales), x, (dy) => {
    const scaled = mul(dy, scales);
    const made: Value[] = [];
    for (const piece of pieces) made.push(gemm(scaled, values(piece, made.at(-1) ?? scaled), { transB: true }));
    return concat(made, 1);
  });
}

function checkWidth(op: string, x: Value, width: number): void {
  if (x.shape.length === 2 && x.shape[1] === width) return;
  throw new TypeError(`${op}: expected [tokens, ${width}], got ${showShape(x.shape)}`);
}
