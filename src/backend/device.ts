/** @file What models run on. It is handed to an engine from above: whoever computes asks what it can, and not which it is. */
import type { FileRange, Graph, GraphOptions } from "../graph/value.ts";
import type { Tensor } from "../tensor.ts";
import type { Compile, DeviceTensor } from "./program.ts";

export interface Device {
  /** What users call it. */
  readonly name: DeviceName;
  readonly can: Capabilities;
  readonly compile: Compile;
  /** Makes a tensor's copy on the device; where device and host share memory, the tensor itself, which then must not change. */
  upload(tensor: Tensor): Promise<DeviceTensor>;
  /** A tensor of zeros. */
  allocate(dtype: "float32", shape: readonly number[]): Promise<DeviceTensor>;
  download(tensor: DeviceTensor): Promise<Tensor>;
  /** Bytes that its tensors and weights take there now; 0 where that is the host's memory. */
  readonly bytes: number;
  /** Whether it is gone, with all that was there. */
  readonly isLost?: boolean;
  /** Packs weights ahead of time, where kernels would otherwise each time anew. */
  readonly packer?: WeightPacker;
}

/** What graphs are made for, and made programs by. */
export type Compiler = Pick<Device, "can" | "compile">;

export type DeviceName = "cpu" | "webgpu";

/** What graphs for a device may hold. */
export interface Capabilities {
  /** What graphs are told of it. */
  readonly graph: GraphOptions;
  /** Numbers of 16 bits: weights in float16, and products in it. */
  readonly float16: boolean;
  /** Tensors with a size of 0. */
  readonly emptyTensors: boolean;
  /** Weights are mapped from their files, in any type, and never copied. Else they are uploaded, as floats that the device has or as codes. */
  readonly mapsFiles: boolean;
  /** Tensors lie in memory of its own, and what crosses costs time: what trains stays there. */
  readonly ownMemory: boolean;
  /** Attention that writes new keys and values into the tensors of its cache. */
  readonly cacheInPlace: boolean;
}

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
