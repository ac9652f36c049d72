/** @file Tensors as the library hands them around: a dtype, a shape and a flat typed array. */

export type DType = "float64" | "float32" | "float16" | "bfloat16" | "int64" | "int32" | "int8" | "uint8" | "bool";

/** Bytes of one element by dtype. float16 and bfloat16 travel as their bits in a Uint16Array. */
export const elementSize: Readonly<Record<DType, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  int64: 8,
  int32: 4,
  int8: 1,
  uint8: 1,
  bool: 1,
};

/** The typed array that holds each dtype's elements. */
export interface DataOf {
  float64: Float64Array;
  float32: Float32Array;
  float16: Uint16Array;
  bfloat16: Uint16Array;
  int64: BigInt64Array;
  int32: Int32Array;
  int8: Int8Array;
  uint8: Uint8Array;
  bool: Uint8Array;
}

/** A dense row-major tensor. Its data may be shared with others: treat it as read-only unless you made it. */
export interface Tensor<D extends DType = DType> {
  readonly dtype: D;
  readonly shape: readonly number[];
  readonly data: DataOf[D];
}

export type FloatTensor = Tensor<"float32">;

/** The number of elements of a shape; 1 for a scalar. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, dimension) => product * dimension, 1);
}

/** Wraps `data`, checking that it has as many elements as the shape says. */
export function tensor<D extends DType>(dtype: D, shape: readonly number[], data: DataOf[D]): Tensor<D> {
  if (data.length !== sizeOf(shape)) {
    throw new RangeError(`a ${dtype} tensor of shape [${shape}] needs ${sizeOf(shape)} elements, got ${data.length}`);
  }
  return { dtype, shape, data };
}

/** A float32 tensor filled with one value. */
export function filled(shape: readonly number[], value = 0): FloatTensor {
  return tensor("float32", shape, new Float32Array(sizeOf(shape)).fill(value));
}

/** The same values in memory of their own. */
export const copied = (value: FloatTensor): FloatTensor => ({ ...value, data: Float32Array.from(value.data) });

/** Named tensors, each in memory of its own. */
export function copiedAll(tensors: Readonly<Record<string, FloatTensor>>): Record<string, FloatTensor> {
  return Object.fromEntries(Object.entries(tensors).map(([name, value]) => [name, copied(value)]));
}

/** The bytes of a file as a tensor, without a copy. */
export function tensorIn(buffer: ArrayBuffer, dtype: DType, shape: readonly number[]): Tensor {
  return tensor(dtype, shape, views[dtype](buffer));
}

// Files are little-endian, as is every machine that onnxruntime runs on.
const views: { readonly [D in DType]: (buffer: ArrayBuffer) => DataOf[D] } = {
  float64: (buffer) => new Float64Array(buffer),
  float32: (buffer) => new Float32Array(buffer),
  float16: (buffer) => new Uint16Array(buffer),
  bfloat16: (buffer) => new Uint16Array(buffer),
  int64: (buffer) => new BigInt64Array(buffer),
  int32: (buffer) => new Int32Array(buffer),
  int8: (buffer) => new Int8Array(buffer),
  uint8: (buffer) => new Uint8Array(buffer),
  bool: (buffer) => new Uint8Array(buffer),
};
