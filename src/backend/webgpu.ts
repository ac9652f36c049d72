/**
 * @file A GPU of any vendor as a device, by way of WebGPU. Weights are uploaded once, whoever uses them; results stay there
 * that are told to.
 */

import { GlmError } from "../errors.ts";
import { encode } from "../graph/encode.ts";
import { add, cast, identity } from "../graph/ops.ts";
import { Graph, usedWeights } from "../graph/value.ts";
import { type DType, elementSize, filled, sizeOf, type Tensor, tensor } from "../tensor.ts";
import type { Capabilities, Device } from "./device.ts";
import { deviceFault } from "./device-fault.ts";
import { createSession, type Session } from "./onnxruntime.ts";
import type { CompileOptions, DeviceTensor, Fed, Program, Tensors } from "./program.ts";
import { UploadedWeights } from "./uploaded-weights.ts";

/** Bytes that one buffer has on every GPU of use; many have more. */
const LARGEST = 2 ** 29;

const ONLY_FATAL = 4;

/** Where the results of a session go: into the host's memory, or nowhere. */
type Results = "host" | "device";

export interface WebGpuOptions {
  /** Tells on stderr where each operator runs, and of every kernel that is started. */
  readonly logs?: boolean;
  /** Told when the GPU is gone, and with it all that was there: this process cannot have it again. */
  readonly onLost?: () => void;
  /** Whether it has numbers of 16 bits, which not every GPU has. */
  readonly float16?: boolean;
}

export class WebGpu implements Device {
  readonly name = "webgpu";
  isLost = false;
  can: Capabilities;
  readonly #weights = new UploadedWeights((value) => this.upload(value));
  /** Sessions that do nothing but move tensors, by what they move. */
  readonly #movers = new Map<string, Promise<Session>>();
  readonly #create: (model: Uint8Array, results: Results) => Promise<Session>;
  readonly #onLost: () => void;
  #bytes = 0;

  /** The GPU with all that it can do. */
  static async open(options: Omit<WebGpuOptions, "float16"> = {}): Promise<WebGpu> {
    const device = new WebGpu(options);
    // Its driver is met with the first tensor.
    (await device.allocate("float32", [1])).dispose();
    device.can = { ...device.can, float16: await device.#guarded(hasFloat16) };
    return device;
  }

  constructor({ logs = false, onLost = () => undefined, float16 = false }: WebGpuOptions = {}) {
    this.#onLost = onLost;
    this.can = {
      graph: { fusedNorm: true, feedsWeights: true, largestWeight: LARGEST },
      float16,
      // A kernel over no elements ends the process.
      emptyTensors: false,
      mapsFiles: false,
      ownMemory: true,
      cacheInPlace: true,
    };
    this.#create = (model, results) =>
      createSession(model, {
        executionProviders: ["webgpu"],
        // Where it is set, tensors that results are to be written to are passed over without a word.
        ...(results === "device" ? { preferredOutputLocation: "gpu-buffer" } : {}),
        ...(logs ? { logSeverityLevel: 0, logVerbosityLevel: 0 } : {}),
      });
  }

  get bytes(): number {
    return this.#bytes;
  }

  readonly compile = async (graph: Graph, _options: CompileOptions = {}): Promise<Program> => {
    const session = await this.#guarded(() => this.#create(encode(graph, { feedsWeights: true }), "host"));
    const weights = await this.#weights.lease(usedWeights(graph)).catch(async (error: unknown) => {
      await session.release();
      throw error;
    });
    return {
      run: (inputs: Fed, into?: Readonly<Record<string, DeviceTensor>>): Promise<Tensors> =>
        this.#guarded(() => session.run({ ...weights.tensors, ...inputs }, into)),
      async dispose() {
        await session.release();
        weights.release();
      },
    };
  };

  async upload(value: Tensor): Promise<DeviceTensor> {
    const session = await this.#mover(`${value.dtype} ${value.shape.length} up`, () =>
      this.#create(identityModel(value.dtype, value.shape.length), "device"),
    );
    return this.#counted(session, { x: value }, value);
  }

  async allocate(dtype: "float32", shape: readonly number[]): Promise<DeviceTensor> {
    const session = await this.#mover(`zeros ${shape.length}`, () => this.#create(zerosModel(shape.length), "device"));
    const sizes = tensor("int64", [shape.length], BigInt64Array.from(shape, BigInt));
    return this.#counted(session, { shape: sizes }, { dtype, shape });
  }

  async download(value: DeviceTensor): Promise<Tensor> {
    // To ask the tensor itself for its data ends the process.
    const session = await this.#mover(`${value.dtype} ${value.shape.length} down`, () =>
      this.#create(identityModel(value.dtype, value.shape.length), "host"),
    );
    const { y } = await this.#guarded(() => session.run({ x: value }));
    return y as Tensor;
  }

  /** What goes wrong on the device, said so that it can be put right. */
  async #guarded<T>(action: () => Promise<T>): Promise<T> {
    try {
      return await action();
    } catch (error) {
      const fault = deviceFault(error);
      if (fault instanceof GlmError && fault.code === "device-lost") {
        this.isLost = true;
        this.#onLost();
      }
      throw fault;
    }
  }

  #mover(key: string, make: () => Promise<Session>): Promise<Session> {
    const known = this.#movers.get(key);
    if (known) return known;
    const made = this.#guarded(make);
    made.catch(() => this.#movers.delete(key));
    this.#movers.set(key, made);
    return made;
  }

  async #counted(
    session: Session,
    inputs: Fed,
    { dtype, shape }: { readonly dtype: DType; readonly shape: readonly number[] },
  ): Promise<DeviceTensor> {
    const bytes = sizeOf(shape) * elementSize[dtype];
    const made = await this.#guarded(() => session.runOnDevice(inputs, () => (this.#bytes -= bytes)));
    this.#bytes += bytes;
    return made;
  }
}

/** Whether the GPU computes in float16: found out by trying, since nothing else tells. */
async function hasFloat16(): Promise<boolean> {
  const graph = new Graph();
  const half = cast(graph.input("x", "float32", [1]), "float16");
  graph.output(cast(add(half, half), "float32"), "y");
  const session = await createSession(encode(graph), { executionProviders: ["webgpu"], logSeverityLevel: ONLY_FATAL });
  try {
    const { y } = await session.run({ x: filled([1], 1.5) });
    return y?.data[0] === 3;
  } catch (error) {
    // "... requires f16 but the device does not support it". What else goes wrong is no answer.
    if (String(error).includes("f16")) return false;
    throw error;
  } finally {
    await session.release();
  }
}

/** y = x, for tensors of a type and number of axes. */
function identityModel(dtype: DType, rank: number): Uint8Array {
  const graph = new Graph();
  const shape = Array.from({ length: rank }, (_, axis) => `axis ${axis}`);
  graph.output(identity(graph.input("x", dtype, shape)), "y");
  return encode(graph);
}

/** Zeros of the shape that is fed. */
function zerosModel(rank: number): Uint8Array {
  const graph = new Graph();
  const shape = graph.input("shape", "int64", [rank]);
  const axes = Array.from({ length: rank }, (_, axis) => `axis ${axis}`);
  const [zeros] = graph.emit("Expand", [graph.scalar(0), shape], [{ dtype: "float32", shape: axes }]);
  if (zeros) graph.output(zeros, "y");
  return encode(graph);
}
