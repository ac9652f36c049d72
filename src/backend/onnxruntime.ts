/** @file The only file that knows onnxruntime: graphs become sessions, our tensors become its tensors. */
import "./privacy.ts";
import * as ort from "onnxruntime-node";
import type { DType, Tensor } from "../tensor.ts";
import type { DeviceTensor, Fed, Tensors } from "./program.ts";

export type SessionOptions = ort.InferenceSession.SessionOptions;

export interface Session {
  /** @param into tensors of the session's device, which the outputs of their names are written to */
  run(inputs: Fed, into?: Readonly<Record<string, DeviceTensor>>): Promise<Tensors>;
  /**
   * The one output of a session whose outputs stay on the device.
   * @param onDispose told when its memory is given back
   */
  runOnDevice(inputs: Fed, onDispose: () => void): Promise<DeviceTensor>;
  release(): Promise<void>;
}

/** onnxruntime calls float16 data "float16" and knows no bfloat16 across its JavaScript API. */
type OrtType = Exclude<DType, "bfloat16">;

const ONLY_ERRORS = 3;

/** Packed weights are of no use to another version. */
export const version: string = ort.env.versions.node ?? ort.env.versions.common;

/** Whether the package has WebGPU for this platform: for Linux on ARM it has none. */
export const hasWebGpu: boolean = ort.listSupportedBackends().some(({ name, bundled }) => name === "webgpu" && bundled);

/** @param model an ONNX file */
export async function createSession(model: Uint8Array, options: SessionOptions): Promise<Session> {
  const session = await ort.InferenceSession.create(model, { logSeverityLevel: ONLY_ERRORS, ...options });
  const { inputNames } = session;
  const feeds = (inputs: Fed): Record<string, ort.Tensor> => {
    const fed: Record<string, ort.Tensor> = {};
    for (const name of inputNames) if (inputs[name]) fed[name] = toOrt(inputs[name]);
    return fed;
  };
  return {
    async run(inputs, into = {}) {
      const fed = feeds(inputs);
      const stays = Object.keys(into);
      const stranger = stays.find((name) => !session.outputNames.includes(name));
      if (stranger !== undefined)
        throw new Error(`the graph has no output ${stranger} that could be written to a tensor`);
      if (stays.length === 0) return taken(await session.run(fed));
      const wanted = Object.fromEntries(
        session.outputNames.map((name) => [name, into[name] ? toOrt(into[name]) : null]),
      );
      const results = await session.run(fed, wanted);
      for (const name of stays) delete (results as Record<string, ort.Tensor>)[name];
      return taken(results);
    },
    async runOnDevice(inputs, onDispose) {
      const results = Object.values(await session.run(feeds(inputs)));
      return new OrtTensor(results[0] as ort.Tensor, onDispose);
    },
    release: () => session.release(),
  };
}

/** A tensor that onnxruntime holds for us in a device's memory. */
class OrtTensor implements DeviceTensor {
  readonly held: ort.Tensor;
  readonly dtype: DType;
  readonly shape: readonly number[];

  readonly #onDispose: () => void;
  #disposed = false;

  constructor(held: ort.Tensor, onDispose: () => void) {
    this.held = held;
    this.#onDispose = onDispose;
    this.dtype = held.type as DType;
    this.shape = held.dims;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.held.dispose();
    this.#onDispose();
  }
}

function taken(results: ort.InferenceSession.ReturnType): Tensors {
  const tensors: Tensors = {};
  for (const name in results) tensors[name] = fromOrt(results[name] as ort.Tensor);
  return tensors;
}

/**
 * Shares the data: nothing is copied. Its own constructor takes a share of every token's time, and where JavaScript has a
 * Float16Array no other array of float16, which the native part does not know.
 */
function toOrt(value: Tensor | DeviceTensor): ort.Tensor {
  if (value instanceof OrtTensor) return value.held;
  const { dtype, shape, data } = value as Tensor;
  if (dtype === "bfloat16") throw new TypeError("bfloat16 tensors cannot be fed to onnxruntime");
  return { type: dtype satisfies OrtType, dims: shape, location: "cpu", data } as unknown as ort.Tensor;
}

function fromOrt({ type, dims, data }: ort.Tensor): Tensor {
  return {
    dtype: type as DType,
    shape: dims,
    data: data as Float32Array,
  } as Tensor;
}
