/** @file Pickles as torch.save writes them, and operations of others, which must be refused or read in another way. */
import { op as written } from "../../src/weights/pickle-writer.ts";

export { call, pickled, pickledDict, rebuiltTensor, storage, tupleOf } from "../../src/weights/pickle-writer.ts";

const others = {
  none: "N",
  emptyList: "]",
  emptyTuple: ")",
  append: "a",
  setItem: "s",
  build: "b",
  stackGlobal: "\x93",
  put: (place: number): string => `q${String.fromCharCode(place)}`,
  get: (place: number): string => `h${String.fromCharCode(place)}`,
} as const;

/** The operations by which each value is built; one after the other, they are a pickle. */
export const op: typeof written & typeof others = { ...written, ...others };
