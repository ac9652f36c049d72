/** @file What a form of quantised weights is: how a matrix in it is prepared, bound into graphs, read and published. */
import type { PackedForm } from "../backend/device.ts";
import type { FileRange, Graph, Value } from "../graph/value.ts";
import type { StoredMatrix } from "./matrix.ts";
import type { Preparation, PreparedWeight } from "./prepared-file.ts";

export interface Form {
  /** "int8-exact", "int4-fast" and so on. */
  readonly name: string;
  /** Computed with as exactly as float32; else activations are rounded, too, and it is faster. */
  readonly exact: boolean;
  /** Whether kernels keep a copy of their own, which is then made once and for one kind of processor. */
  readonly isPacked: boolean;
  /** Float32 results that one product has in memory at a time. */
  readonly partsOfProduct: number;
  /** The form of the output layer beside modules in this one, where it has another than the checkpoint's floats. */
  readonly head: Form | undefined;
  /**
   * Counted up when the form is prepared to other numbers: files of an earlier version are then no longer found.
   * @param isPublished whether the checkpoint has the codes already
   */
  version(isPublished: boolean): number;
  /** Bytes that are mapped of a matrix, about. */
  bytes(width: number, out: number): number;
  /** @param onBytes told of bytes of the checkpoint that were worked on */
  prepare(matrix: StoredMatrix, onBytes: (bytes: number) => void): Numbers;
  /** x [tokens, in] times the matrix, which becomes a weight of the graph by the given name, and a bias [out]. */
  product(x: Value, name: string, matrix: PlacedMatrix, bias?: Value): Value;
  /** float32 [out, in]. */
  read(width: number, prepared: PreparedWeight): Promise<Float32Array>;
  /** The matrix in the published scheme. */
  published(matrix: StoredMatrix, prepared: PreparedWeight): PublishedMatrix;
}

/** What is written of a matrix before kernels pack it. */
export type Numbers = Omit<Preparation, "pack">;

/** Where a matrix lies in a file. */
export interface PlacedMatrix {
  readonly in: number;
  readonly out: number;
  readonly codes: FileRange;
  readonly scales: FileRange;
}

/** A matrix in the published scheme, read when it is written. */
export interface PublishedMatrix {
  /** int8 [out, in], or [out, in / 2] with two 4-bit codes a byte. */
  codes(): Promise<Int8Array>;
  /** float32 [out]. */
  scales(): Promise<Float32Array>;
}

/** Packs the weights of a graph as its kernels want them, and hands them over by their names, as long as `use` lasts. */
export type Pack = (
  graph: Graph,
  use: (packed: ReadonlyMap<string, readonly PackedForm[]>) => Promise<void>,
) => Promise<void>;

/**
 * Whether weights meet many rows of the graph at a time, as in training: products then go by way of float32, with a gradient.
 * Only its kernel knows what to do with a packed form.
 */
export const throughFloats = ({ options }: Graph): boolean => options.manyRows === true;

/** The codes without what kernels made of them. */
export const unpackedRange = ({ file, offset, bytes }: FileRange): FileRange => ({ file, offset, bytes });
