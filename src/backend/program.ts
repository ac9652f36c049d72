/** @file A graph that can run. The engine makes these with onnxruntime; training and generating only know this. */

import type { Graph } from "../graph/value.ts";
import type { Tensor } from "../tensor.ts";

export type Tensors = Record<string, Tensor>;

export interface Program {
  /** Runs once, and returns the outputs by name. */
  run(inputs: Tensors): Promise<Tensors>;
  dispose(): Promise<void>;
}

export interface CompileOptions {
  /** Gives back the memory of a run when it is over, rather than to keep it for the next: for runs that are large and rare. */
  readonly frees?: boolean;
  /** Weights meet many rows at a time, as in training: kernels may copy few of them into the layout that products want. */
  readonly packs?: boolean;
}

/** Turns a graph into a program on some device. */
export type Compile = (graph: Graph, options?: CompileOptions) => Promise<Program>;
