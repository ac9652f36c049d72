/**
 * @file Writes the pickles that torch.save writes, operation by operation. While they are put together they are strings of one
 * character a byte.
 */

/** The operations by which each value is built; one after the other, they are a pickle. */
export const op = {
  proto: (version: number): string => `\x80${String.fromCharCode(version)}`,
  stop: ".",
  mark: "(",
  no: "\x89",
  emptyDict: "}",
  tuple: "t",
  setItems: "u",
  reduce: "R",
  persistent: "Q",
  global: (module: string, name: string): string => `c${module}\n${name}\n`,
  text: (value: string): string => {
    const bytes = Buffer.from(value);
    return `X${littleEndian(bytes.length, 4)}${bytes.toString("latin1")}`;
  },
  integer: (value: number): string => `\x8a\x08${littleEndian(value, 8)}`,
} as const;

/** Two's complement. */
function littleEndian(value: number, bytes: number): string {
  const whole = Buffer.alloc(8);
  whole.writeBigInt64LE(BigInt(value));
  return whole.toString("latin1", 0, bytes);
}

/** The bytes of a pickle of these operations, with what it begins and ends with. */
export const pickled = (...operations: readonly string[]): Buffer =>
  Buffer.from(`${op.proto(2)}${operations.join("")}${op.stop}`, "latin1");

/** A whole pickle that holds a dictionary. */
export const pickledDict = (...entries: readonly (readonly [key: string, value: string])[]): Buffer =>
  pickled(op.emptyDict, op.mark, ...entries.flat(), op.setItems);

/** A tuple of values. */
export const tupleOf = (...values: readonly string[]): string => `${op.mark}${values.join("")}${op.tuple}`;

/** A call of what `module` knows as `name`. */
export const call = (module: string, name: string, ...args: readonly string[]): string =>
  `${op.global(module, name)}${tupleOf(...args)}${op.reduce}`;

/** A storage that lies in the archive, as its entry `data/KEY`. */
export const storage = (key: string, elements: number, type = "FloatStorage"): string =>
  tupleOf(op.text("storage"), op.global("torch", type), op.text(key), op.text("cpu"), op.integer(elements)) +
  op.persistent;

export interface TensorToPickle {
  readonly key: string;
  readonly elements: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides?: readonly number[];
}

/** A tensor of float32: a view into a storage. */
export function rebuiltTensor({ key, elements, offset = 0, shape, strides = rowMajor(shape) }: TensorToPickle): string {
  const sizes = (values: readonly number[]): string => tupleOf(...values.map(op.integer));
  const hooks = call("collections", "OrderedDict");
  const args = [storage(key, elements), op.integer(offset), sizes(shape), sizes(strides), op.no, hooks];
  return call("torch._utils", "_rebuild_tensor_v2", ...args);
}

function rowMajor(shape: readonly number[]): number[] {
  return shape.map((_, i) => shape.slice(i + 1).reduce((product, size) => product * size, 1));
}
