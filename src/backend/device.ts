/** @file What models run on. It is handed to an engine from above: whoever computes asks for programs and does not ask where they run. */
import type { FileRange, Graph } from "../graph/value.ts";
import type { Compile } from "./program.ts";

export interface Device {
  /** What users call it. */
  readonly name: DeviceName;
  readonly compile: Compile;
  readonly packer: WeightPacker;
}

export type DeviceName = "cpu";

/** Makes, ahead of time, what kernels make of a graph's weights before the first run. */
export interface WeightPacker {
  /** What packed forms depend on besides the processor: they are of no use to another version. */
  readonly version: string;
  /**
   * The packed forms by weight.
   * @param folder an empty one, in which they are written and from which they have to be read before it is removed
   */
  pack(graph: Graph, folder: string): Promise<ReadonlyMap<string, readonly PackedForm[]>>;
}

/** One form that a kernel made of a weight: under which key it looks for it, and where its parts were written. */
export interface PackedForm {
  readonly key: string;
  readonly parts: readonly FileRange[];
}
