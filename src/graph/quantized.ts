/**
 * @file Products with matrices that are held in fewer bits: by kernels that compute with the codes, or by way of float32
 * that is made where it is needed and lives no longer than its product (so that a gradient can pass).
 */
import { add, cast, concat, div, emitOne, gemm, mul, reduceMax, reshape, scale, split, sub, transpose } from "./ops.ts";
import { type Dim, type Shape, showShape, type Value } from "./value.ts";

/** Columns that share a scale. */
export const BLOCK = 128;

/** The code that stands for 0. */
export const ZERO = 8;

/** A matrix [out, in] of 4-bit codes in blocks of columns: element = (code - ZERO) · scale of its row and block. */
export interface BlockMatrix {
  readonly in: number;
  readonly out: number;
  /** uint8 [out, blocks, BLOCK / 2]: of the two codes in a byte the low one has the even column. */
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
 */
export function blockProduct(x: Value, matrix: BlockMatrix, exact: boolean): Value {
  const { codes, scales } = matrix;
  const attributes = { K: matrix.in, N: matrix.out, bits: 4, block_size: BLOCK, accuracy_level: exact ? 0 : 4 };
  checkWidth("MatMulNBits", x, matrix.in);
  return emitOne("MatMulNBits", [x, codes, scales], x.dtype, [x.shape[0] as Dim, matrix.out], attributes);
}

/** The same in float32, with a gradient to x. */
export function dequantizedBlockProduct(x: Value, matrix: BlockMatrix): Value {
  const columns = matrix.in;
  checkWidth("dequantized product", x, columns);
  // The two codes of a byte belong to neighbours: even and odd columns are multiplied apart, as they lie.
  const half = (nibble: (bytes: Value) => Value) => (near: Value) =>
    cut(dequantized(nibble(rowsOfBlocks(matrix, near)), matrix, near), matrix.out, columns / 2);
  const [tokens] = x.shape as [Dim];
  const pairs = transpose(reshape(x, [tokens, columns / 2, 2]), [2, 0, 1]);
  const [even, odd] = split(pairs, [1, 1], 0).map((part) => reshape(part, [tokens, columns / 2])) as [Value, Value];
  const product = gemm(odd, renewable(half(highNibble), odd), { transB: true });
  return gemm(even, renewable(half(lowNibble), even), { transB: true }, product);
}

const lowNibble = (bytes: Value): Value =>
  emitOne("BitwiseAnd", [bytes, bytes.graph.constant("uint8", [], Uint8Array.of(15))], "uint8", bytes.shape);

const highNibble = (bytes: Value): Value => {
  const four = bytes.graph.constant("uint8", [], Uint8Array.of(4));
  return emitOne("BitShift", [bytes, four], "uint8", bytes.shape, { direction: "RIGHT" });
};

/** The codes' bytes as [blocks of all rows, bytes of a block], not before `near` is there. */
function rowsOfBlocks({ codes, in: columns, out }: BlockMatrix, near: Value): Value {
  const shape = [out * blocksOf(columns), BLOCK / 2];
  return emitOne("Reshape", [codes, shapeNear(near, shape)], "uint8", shape);
}

/** Codes [blocks of all rows, codes] as float32. */
function dequantized(codes: Value, { scales }: BlockMatrix, near: Value): Value {
  const zero = codes.graph.constant("uint8", [1], Uint8Array.of(ZERO));
  const rows = [codes.shape[0] as Dim];
  const zeros = emitOne("Expand", [zero, shapeNear(near, rows as number[])], "uint8", rows);
  return emitOne("DequantizeLinear", [codes, scales, zeros], "float32", codes.shape, { axis: 0 });
}

/** The first columns of a matrix whose last block is padded. */
function cut(blocks: Value, rows: number, columns: number): Value {
  const [count, width] = blocks.shape as [number, number];
  const padded = (count / rows) * width;
  const matrix = reshape(blocks, [rows, padded]);
  return padded === columns ? matrix : (split(matrix, [columns, padded - columns], 1)[0] as Value);
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
  checkWidth("dequantized product", x, codes.shape[0] as number);
  const whole = (near: Value): Value => {
    const late = emitOne("Reshape", [codes, shapeNear(near, codes.shape as number[])], "int8", codes.shape);
    return emitOne("DequantizeLinear", [late, x.graph.scalar(1)], "float32", codes.shape);
  };
  // The scales are left for the product, which has fewer elements.
  return mul(gemm(x, renewable(whole, x)), scales);
}

/** A value that its users' gradients make again. */
function renewable(make: (near: Value) => Value, near: Value): Value {
  const value = make(near);
  value.graph.renewals.set(value, make);
  return value;
}

/**
 * A known shape that is only available once `near` is: onnxruntime runs whatever it can before everything else, and
 * would hold all matrices of a model in float32 at once (or make them when it loads the model).
 */
function shapeNear(near: Value, shape: readonly number[]): Value {
  const { graph } = near;
  const size = emitOne("Shape", [near], "int64", [1], { start: 0, end: 1 });
  graph.detached.add(size);
  return add(graph.indices(shape), mul(size, graph.indices([0])));
}

function checkWidth(op: string, x: Value, width: number): void {
  if (x.shape.length === 2 && x.shape[1] === width) return;
  throw new TypeError(`${op}: expected [tokens, ${width}], got ${showShape(x.shape)}`);
}

/** Keeps a weight from being copied when it is packed: kernels pack only what is there before the first run. */
export function unpacked(weight: Value, near: Value): Value {
  return emitOne("Reshape", [weight, shapeNear(near, weight.shape as number[])], weight.dtype, weight.shape);
}
