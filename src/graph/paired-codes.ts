/**
 * @file Products with matrices of 4-bit codes by way of float32. The two codes of a byte belong to neighbouring columns: even
 * and odd columns are multiplied apart, as they lie.
 */
import { BLOCK, type BlockMatrix, blocksOf, zeroCode } from "./block-matrix.ts";
import { add, cast, concat, emitOne, gemm, matmul, mul, reshape, split, sub, transpose } from "./ops.ts";
import {
  afterInput,
  constantAfter,
  type Piece,
  parts,
  piecesOf,
  weightRows,
  withGradient,
  withoutPadding,
} from "./pieces.ts";
import type { Dim, Value } from "./value.ts";

type Which = "even" | "odd";

/** x [tokens, in] times the transposed matrix: [tokens, out], with a gradient to x. */
export function pairedProduct(x: Value, matrix: BlockMatrix): Value {
  const { in: columns, out } = matrix;
  const [tokens] = x.shape as [Dim];
  const shape = [tokens, columns / 2];
  const pairs = transpose(reshape(x, [tokens, columns / 2, 2]), [2, 0, 1]);
  const [even, odd] = split(pairs, [1, 1], 0).map((part) => reshape(part, shape)) as [Value, Value];
  const products: Value[] = [];
  for (const piece of piecesOf(x, out, columns)) {
    const partial = gemm(odd, half(matrix, piece, "odd", products.at(-1) ?? odd), { transB: true });
    products.push(gemm(even, half(matrix, piece, "even", partial), { transB: true }, partial));
  }
  return withGradient(concat(products, 1), x, (dy) => pairedGradient(dy, matrix));
}

/** dy [tokens, out] times the matrix: [tokens, in]. */
export function pairedGradient(dy: Value, matrix: BlockMatrix): Value {
  return dy.graph.options.byteArithmetic ? byBlocks(dy, matrix) : byRows(dy, matrix);
}

/** Whole rows at a time, in as few nodes as can be. */
function byRows(dy: Value, matrix: BlockMatrix): Value {
  const { in: columns, out } = matrix;
  const [tokens] = dy.shape as [Dim];
  const pieces = piecesOf(dy, out, columns);
  let sums: Halves | undefined;
  for (const [i, part] of parts(dy, pieces, 1).entries()) {
    const piece = pieces[i] as Piece;
    const odd = gemm(part, half(matrix, piece, "odd", sums?.even ?? part), {}, sums?.odd);
    sums = { even: gemm(part, half(matrix, piece, "even", odd), {}, sums?.even), odd };
  }
  const shape = [1, tokens, columns / 2];
  const { even, odd } = sums as Halves;
  const stacked = concat([reshape(even, shape), reshape(odd, shape)], 0);
  return reshape(transpose(stacked, [1, 2, 0]), [tokens, columns]);
}

/**
 * Block of columns by block. What sums over rows reads a matrix down its columns, and in one of thousands of columns every
 * element lies on another page: the processor's product of 64 rows then takes twice as long.
 */
function byBlocks(dy: Value, matrix: BlockMatrix): Value {
  const { in: columns, out } = matrix;
  const [tokens] = dy.shape as [Dim];
  const [blocks, pieces] = [blocksOf(columns), piecesOf(dy, out, columns)];
  let sums: Halves | undefined;
  for (const [i, part] of parts(dy, pieces, 1).entries()) {
    const piece = pieces[i] as Piece;
    const turned = turnedRows(matrix, piece, sums?.even ?? part);
    const after = (before: Value, sum: Value | undefined, which: Which): Value => {
      const values = nibblesByBytes(turned.codes, turned.scales, which, before);
      const product = matmul(part, reshape(values, [blocks, piece.to - piece.from, BLOCK / 2]));
      return sum ? add(sum, product) : product;
    };
    const odd = after(sums?.even ?? part, sums?.odd, "odd");
    sums = { even: after(odd, sums?.even, "even"), odd };
  }
  const shape = [1, blocks, tokens, BLOCK / 2];
  const { even, odd } = sums as Halves;
  const stacked = concat([reshape(even, shape), reshape(odd, shape)], 0);
  const padded = blocks * BLOCK;
  const dx = reshape(transpose(stacked, [2, 1, 3, 0]), [tokens, padded]);
  return padded === columns ? dx : (split(dx, [columns, padded - columns], 1)[0] as Value);
}

/** Gradients of the even and of the odd columns. */
interface Halves {
  readonly even: Value;
  readonly odd: Value;
}

/**
 * Some rows block by block, [blocks · rows, BLOCK / 2] and [blocks · rows], not before `near` is there. Turned as codes, which are
 * an eighth of what they become.
 */
function turnedRows({ codes, scales, in: columns, out }: BlockMatrix, { from, to }: Piece, near: Value) {
  const [blocks, rows] = [blocksOf(columns), to - from];
  const turned = (weight: Value, width: number): Value =>
    transpose(afterInput(weightRows(weight, [out, blocks, width], from, to), near), [1, 0, 2]);
  return {
    codes: reshape(turned(codes, BLOCK / 2), [blocks * rows, BLOCK / 2]),
    scales: reshape(turned(scales, 1), [blocks * rows]),
  };
}

/** Even or odd columns of some rows of the matrix in float32, [rows, columns / 2], not before `near` is there. */
function half({ codes, scales, in: columns, out }: BlockMatrix, { from, to }: Piece, which: Which, near: Value): Value {
  const { graph } = codes;
  const blocks = blocksOf(columns);
  const rows = [from * blocks, to * blocks] as const;
  const bytes = weightRows(codes, [out * blocks, BLOCK / 2], ...rows);
  const scale = weightRows(scales, [out * blocks], ...rows);
  const take = graph.options.byteArithmetic ? nibblesByBytes : nibblesByFloats;
  return withoutPadding(take(bytes, scale, which, near), to - from, (blocks * BLOCK) / 2, columns / 2);
}

/** The values of the even or odd codes of bytes [blocks, BLOCK / 2], with a scale for each block. */
function nibblesByBytes(bytes: Value, scale: Value, which: Which, near: Value): Value {
  const operand = cast(constantAfter(near, [which === "even" ? 15 : 4]), "uint8");
  const nibbles =
    which === "even"
      ? emitOne("BitwiseAnd", [bytes, operand], "uint8", bytes.shape)
      : emitOne("BitShift", [bytes, operand], "uint8", bytes.shape, { direction: "RIGHT" });
  const zeros = bytes.graph.filled(zeroCode(4), bytes.shape[0] as number);
  return emitOne("DequantizeLinear", [nibbles, scale, zeros], "float32", bytes.shape, { axis: 0 });
}

/** The same where bytes have no arithmetic of their own: numbers up to 255 are exact in float32. */
function nibblesByFloats(bytes: Value, scale: Value, which: Which, near: Value): Value {
  const { graph } = bytes;
  const one = reshape(cast(constantAfter(near, [1]), "float32"), []);
  const numbers = emitOne("DequantizeLinear", [bytes, one], "float32", bytes.shape);
  const sixteenth = mul(numbers, graph.scalar(1 / 16));
  const high = emitOne("Floor", [sixteenth], "float32", bytes.shape);
  const code = which === "odd" ? high : sub(numbers, mul(high, graph.scalar(16)));
  return mul(sub(code, graph.scalar(zeroCode(4))), reshape(scale, [bytes.shape[0] as number, 1]));
}
