/**
 * @file Products with matrices that are held in fewer bits: by kernels that compute with the codes, or by way of float32
 * that is made where it is needed and lives no longer than its product (so that a gradient can pass).
 */
import { add, cast, concat, div, emitOne, gemm, mul, reduceMax, reshape, scale, split, sub, transpose } from "./ops.ts";
import { type Dim, type Shape, showShape, type Value } from "./value.ts";

/** Columns that share a scale. */
export const BLOCK = 128;

export type BlockBits = 4 | 8;

/** The code that stands for 0. */
export const zeroCode = (bits: BlockBits): number => 2 ** (bits - 1);

/** Bytes of a block's codes. */
export const blockBytes = (bits: BlockBits): number => (BLOCK * bits) / 8;

/** A matrix [out, in] of codes in blocks of columns: element = (code - zeroCode) · scale of its row and block. */
export interface BlockMatrix {
  readonly in: number;
  readonly out: number;
  readonly bits: BlockBits;
  /** uint8 [out, blocks, blockBytes]: of two 4-bit codes in a byte the low one has the even column. */
  readonly codes: Value;
  /** float32 [out · blocks]. */
  readonly scales: Value;
}

/** A matrix [out, in] of 8-bit codes, held transposed: element = code · scale of its row of [out, in]. */
export interface RowMatrix {
  /** int8 [in, out], from -127 to 127. */
  readonly codes: Value;
  /** float32 [out]. */
  readonly scales: Value;
}

export const blocksOf = (columns: number): number => Math.ceil(columns / BLOCK);

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

/** By 4-bit codes. */
function pairedProduct(x: Value, matrix: BlockMatrix): Value {
  const { in: columns, out } = matrix;
  const pieces = piecesOf(x, out, columns);
  // The two codes of a byte belong to neighbours: even and odd columns are multiplied apart, as they lie.
  const [tokens] = x.shape as [Dim];
  const shape = [tokens, columns / 2];
  const pairs = transpose(reshape(x, [tokens, columns / 2, 2]), [2, 0, 1]);
  const [even, odd] = split(pairs, [1, 1], 0).map((part) => reshape(part, shape)) as [Value, Value];
  const products: Value[] = [];
  for (const piece of pieces) {
    const partial = gemm(odd, half(matrix, piece, "odd", products.at(-1) ?? odd), { transB: true });
    products.push(gemm(even, half(matrix, piece, "even", partial), { transB: true }, partial));
  }
  return withGradient(concat(products, 1), x, (dy) => {
    let sums: { readonly even: Value; readonly odd: Value } | undefined;
    for (const [i, part] of parts(dy, pieces, 1).entries()) {
      const piece = pieces[i] as Piece;
      const odds = gemm(part, half(matrix, piece, "odd", sums?.even ?? part), {}, sums?.odd);
      sums = { even: gemm(part, half(matrix, piece, "even", odds), {}, sums?.even), odd: odds };
    }
    const { even, odd } = sums as { readonly even: Value; readonly odd: Value };
    const stacked = concat([reshape(even, [1, ...shape]), reshape(odd, [1, ...shape])], 0);
    return reshape(transpose(stacked, [1, 2, 0]), x.shape);
  });
}

/** Even or odd columns of some rows of the matrix in float32, [rows, columns / 2], not before `near` is there. */
function half(
  { codes, scales, in: columns, out }: BlockMatrix,
  { from, to }: Piece,
  which: "even" | "odd",
  near: Value,
): Value {
  const { graph } = codes;
  const blocks = blocksOf(columns);
  const rows = [from * blocks, to * blocks] as const;
  const bytes = weightRows(codes, [out * blocks, BLOCK / 2], ...rows);
  const scale = weightRows(scales, [out * blocks], ...rows);
  const take = graph.options.byteArithmetic ? nibblesByBytes : nibblesByFloats;
  return withoutPadding(take(bytes, scale, which, near), to - from, (blocks * BLOCK) / 2, columns / 2);
}

/** The values of the even or odd codes of bytes [blocks, BLOCK / 2], with a scale for each block. */
function nibblesByBytes(bytes: Value, scale: Value, which: "even" | "odd", near: Value): Value {
  const operand = cast(constantAfter(near, [which === "even" ? 15 : 4]), "uint8");
  const nibbles =
    which === "even"
      ? emitOne("BitwiseAnd", [bytes, operand], "uint8", bytes.shape)
      : emitOne("BitShift", [bytes, operand], "uint8", bytes.shape, { direction: "RIGHT" });
  const zeros = bytes.graph.filled(zeroCode(4), bytes.shape[0] as number);
  return emitOne("DequantizeLinear", [nibbles, scale, zeros], "float32", bytes.shape, { axis: 0 });
}

/** The same where bytes have no arithmetic of their own: numbers up to 255 are exact in float32. */
function nibblesByFloats(bytes: Value, scale: Value, which: "even" | "odd", near: Value): Value {
  const { graph } = bytes;
  const one = reshape(cast(constantAfter(near, [1]), "float32"), []);
  const numbers = emitOne("DequantizeLinear", [bytes, one], "float32", bytes.shape);
  const sixteenth = mul(numbers, graph.scalar(1 / 16));
  const high = emitOne("Floor", [sixteenth], "float32", bytes.shape);
  const code = which === "odd" ? high : sub(numbers, mul(high, graph.scalar(16)));
  return mul(sub(code, graph.scalar(zeroCode(4))), reshape(scale, [bytes.shape[0] as number, 1]));
}

/** Rows `from` to `to` of a weight that is seen as [rows, ...]. */
const weightRows = (whole: Value, shape: readonly number[], from: number, to: number): Value =>
  from === 0 && to === shape[0] ? reshape(whole, shape) : whole.graph.rows(whole, shape, from, to);

/** Rows [rows, columns] of what is padded to whole blocks. */
function withoutPadding(values: Value, rows: number, padded: number, columns: number): Value {
  const matrix = reshape(values, [rows, padded]);
  return padded === columns ? matrix : (split(matrix, [columns, padded - columns], 1)[0] as Value);
}

/** A weight that is only there once `near` is. */
function late(weight: Value, near: Value): Value {
  return mul(weight, reshape(cast(constantAfter(near, [1]), "float32"), []));
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

/** The same by way of float32, with a gradient to x. */
export function dequantizedRowProduct(x: Value, { codes, scales }: RowMatrix): Value {
  const [width, out] = codes.shape as [number, number];
  checkWidth("dequantized product", x, width);
  const pieces = piecesOf(x, width, out);
  const values = ({ from, to }: Piece, near: Value): Value => {
    const some = weightRows(codes, [width, out], from, to);
    const one = reshape(cast(constantAfter(near, [1]), "float32"), []);
    return emitOne("DequantizeLinear", [some, one], "float32", some.shape);
  };
  let sum: Value | undefined;
  for (const [i, part] of parts(x, pieces, 1).entries()) {
    sum = gemm(part, values(pieces[i] as Piece, sum ?? part), {}, sum);
  }
  // The scales are left for the product, which has fewer elements.
  return withGradient(mul(sum as Value, scales), x, (dy) => {
    const scaled = mul(dy, scales);
    const made: Value[] = [];
    for (const piece of pieces) made.push(gemm(scaled, values(piece, made.at(-1) ?? scaled), { transB: true }));
    return concat(made, 1);
  });
}

/** Consecutive rows of a matrix. */
interface Piece {
  readonly from: number;
  readonly to: number;
}

/**
 * Elements of a piece: 128 MB in float32, of which 4-bit matrices have half at a time. Of smaller ones, a large model's
 * graph would have tens of thousands of nodes.
 */
const PIECE = 2 ** 25;

function piecesOf({ graph }: Value, rows: number, columns: number): Piece[] {
  if (graph.options.feedsWeights) return [{ from: 0, to: rows }];
  const count = Math.ceil((rows * columns) / PIECE);
  const step = Math.ceil(rows / count);
  return Array.from({ length: Math.ceil(rows / step) }, (_, i) => ({
    from: i * step,
    to: Math.min((i + 1) * step, rows),
  }));
}

/** A value cut along an axis as the pieces are. */
const parts = (x: Value, pieces: readonly Piece[], axis: number): readonly Value[] =>
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
function constantAfter(near: Value, numbers: readonly number[]): Value {
  const { graph } = near;
  const size = emitOne("Shape", [near], "int64", [1], { start: 0, end: 1 });
  return add(graph.indices(numbers), mul(size, graph.indices([0])));
}

function checkWidth(op: string, x: Value, width: number): void {
  if (x.shape.length === 2 && x.shape[1] === width) return;
  throw new TypeError(`${op}: expected [tokens, ${width}], got ${showShape(x.shape)}`);
}

/** Keeps a weight from being copied when it is packed: kernels pack only what is there before the first run. */
export function afterInput(weight: Value, near: Value): Value {
  return emitOne("Reshape", [weight, constantAfter(near, weight.shape as number[])], weight.dtype, weight.shape);
}
