/** @file A graph that can run. The engine makes these on some device; training and generating only know this. */

import type { Graph } from "../graph/value.ts";
import type { DType, Tensor } from "../tensor.ts";

export type Tensors = Record<string, Tensor>;

/** A tensor in the memory of a device, for its programs to read and to write. On the CPU that is ordinary memory. */
export interface DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Gives its memory back; it must not be used any more. */
  dispose(): void;
}

/** What a program reads: tensors that cross to the device with the call, and those that are there already. */
export type Fed = Readonly<Record<string, Tensor | DeviceTensor>>;

export interface Program {
  /**
   * Runs once.
   * @param into outputs that stay on the device: they are written to these tensors, of exactly their shapes. One that is read
   * by the same run may be among them only where an operator says that it updates in place.
   * @returns the other outputs, by name
   */
  run(inputs: Fed, into?: Readonly<Record<string, DeviceTensor>>): Promise<Tensors>;
  dispose(): Promise<void>;
}

export interface CompileOptions {
  /** Gives back the memory of a run when it is over, rather than to keep it for the next: for runs that are large and rare. */
  readonly frees?: boolean;
  /** Less memory before more speed: nothing is laid out ahead for the next run. */
  readonly lean?: boolean;
  /** Weights meet many rows at a time, as in training: kernels may copy few of them into the layout that products want. */
  readonly packs?: boolean;
}

/** Turns a graph into a program on some device. */
export type Compile = (graph: Graph, options?: CompileOptions) => Promise<Program>;
