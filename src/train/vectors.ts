/** @file Tensors of parameters as vectors on a device, one for each group of them: made, filled, copied, taken apart, read. */
import type { AdapterTensors } from "../adapters/adapter.ts";
import type { Device } from "../backend/device.ts";
import type { DeviceTensor, Program } from "../backend/program.ts";
import { ProgramTable } from "../backend/program-table.ts";
import type { Graph } from "../graph/value.ts";
import type { ParameterSpec } from "../models/context.ts";
import { elementSize, type FloatTensor, sizeOf, tensor } from "../tensor.ts";
import { isNormOrBias } from "./decay.ts";
import { allocated, type Named } from "./gradient-pool.ts";
import { apartGraph, copyGraph, flatGraph } from "./update-graph.ts";

/** Bytes of the tensors that are one vector. */
const GROUP = 2 ** 27;

export class Vectors {
  readonly device: Device;
  /** The parameters of each vector. */
  readonly groups: readonly (readonly ParameterSpec[])[];
  readonly #programs = new ProgramTable();
  /** Everything that is to be given back. */
  readonly #owned = new Set<DeviceTensor>();

  constructor(device: Device, parameters: readonly ParameterSpec[]) {
    this.device = device;
    this.groups = grouped(parameters);
  }

  async zeros(shape: readonly number[]): Promise<DeviceTensor> {
    const made = await this.device.allocate("float32", shape);
    this.#owned.add(made);
    return made;
  }

  /** A tensor for each parameter. */
  async apart(parameters: readonly ParameterSpec[]): Promise<Named> {
    const made = await allocated(this.device, parameters);
    for (const one of Object.values(made)) this.#owned.add(one);
    return made;
  }

  /** Gives one back, unless all were given back before. */
  give(one: DeviceTensor): void {
    if (this.#owned.delete(one)) one.dispose();
  }

  /** Tensors of ordinary memory become a vector. */
  async fill(
    vector: DeviceTensor,
    parameters: readonly ParameterSpec[],
    tensors: Readonly<Record<string, FloatTensor>>,
  ): Promise<void> {
    const flat = await this.program("flat", parameters, flatGraph);
    const fed = Object.fromEntries(parameters.map(({ name }) => [name, tensors[name] as FloatTensor]));
    await flat.run(fed, { flat: vector });
  }

  /** A vector becomes the tensors of its parameters. */
  async takeApart(vector: DeviceTensor, parameters: readonly ParameterSpec[], into: Named): Promise<void> {
    await (await this.program("apart", parameters, apartGraph)).run({ flat: vector }, into);
  }

  async copy(from: DeviceTensor, to: DeviceTensor): Promise<void> {
    const program = await this.#programs.get("copy", () => this.device.compile(copyGraph()));
    await program.run({ x: from }, { y: to });
  }

  /** The vectors of all groups, as tensors of ordinary memory. */
  async read(vectors: readonly DeviceTensor[]): Promise<AdapterTensors> {
    const read: AdapterTensors = {};
    for (const [i, parameters] of this.groups.entries()) {
      const { data } = (await this.device.download(vectors[i] as DeviceTensor)) as FloatTensor;
      let at = 0;
      for (const { name, shape } of parameters) {
        read[name] = tensor("float32", shape, data.slice(at, at + sizeOf(shape)));
        at += sizeOf(shape);
      }
    }
    return read;
  }

  /** What computes with the vectors of a group. */
  program(
    what: string,
    parameters: readonly ParameterSpec[],
    graphOf: (parameters: readonly ParameterSpec[]) => Graph,
  ): Promise<Program> {
    return this.#programs.get(`${what} from ${parameters[0]?.name}`, () => this.device.compile(graphOf(parameters)));
  }

  async close(): Promise<void> {
    await this.#programs.dispose();
    for (const one of [...this.#owned]) this.give(one);
  }
}

/**
 * Consecutive parameters that together are one vector; one that is larger is by itself. Those that weight decay may spare have vectors
 * of their own: a step has one number for it.
 */
function grouped(parameters: readonly ParameterSpec[]): ParameterSpec[][] {
  const spared = parameters.filter(({ name }) => isNormOrBias(name));
  const others = parameters.filter(({ name }) => !isNormOrBias(name));
  return [others, spared].flatMap(groupedBySize);
}

function groupedBySize(parameters: readonly ParameterSpec[]): ParameterSpec[][] {
  const groups: ParameterSpec[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const parameter of parameters) {
    const own = sizeOf(parameter.shape) * elementSize.float32;
    if (bytes + own > GROUP) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(parameter);
    bytes += own;
  }
  return groups;
}
