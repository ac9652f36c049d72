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
  return {
    async run(inputs, into = {}) {
      const fed = mapValues(inputs, toOrt);
      const stays = Object.keys(into);
      if (stays.length === 0) return mapValues(await session.run(fed), fromOrt);
      const wanted = Object.fromEntries(
        session.outputNames.map((name) => [name, into[name] ? toOrt(into[name]) : null]),
      );
      const results = await session.run(fed, wanted);
      for (const name of stays) delete (results as Record<string, ort.Tensor>)[name];
      return mapValues(results, fromOrt);
    },
    async runOnDevice(inputs, onDispose) {
      const results = Object.values(await session.run(mapValues(inputs, toOrt)));
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

const mapValues = <A, B>(record: Readonly<Record<string, A>>, convert: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, convert(value)]));

/** Shares the data: nothing is copied. */
function toOrt(value: Tensor | DeviceTensor): ort.Tensor {
  if (value instanceof OrtTensor) return value.held;
  const { dtype, shape, data } = value as Tensor;
  // Where JavaScript has a Float16Array, the constructor takes no other, and the native part does not know it.
  if (dtype === "float16") return { type: dtype, dims: shape, location: "cpu", data } as unknown as ort.Tensor;
  if (dtype === "bfloat16") throw new TypeError("bfloat16 tensors cannot be fed to onnxruntime");
  return new ort.Tensor(dtype as OrtType, data as Float32Array, shape);
}

function fromOrt({ type, dims, data }: ort.Tensor): Tensor {
  return {
    dtype: type as DType,
    shape: dims,
    data: data as Float32Array,
  } as Tensor;
}
