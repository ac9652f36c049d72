/** @file Weights in a device's memory: each is there once, for as long as any program uses it. */

import { readBytes, withFile } from "../file-bytes.ts";
import type { FileRange, Value } from "../graph/value.ts";
import { type DType, type Tensor, tensorIn } from "../tensor.ts";
import type { DeviceTensor } from "./program.ts";

interface Entry {
  readonly tensor: Promise<DeviceTensor>;
  users: number;
}

/** The weights of one program, by the names of its graph. */
export interface LeasedWeights {
  readonly tensors: Readonly<Record<string, DeviceTensor>>;
  release(): void;
}

export class UploadedWeights {
  readonly #upload: (tensor: Tensor) => Promise<DeviceTensor>;
  readonly #entries = new Map<string, Entry>();

  constructor(upload: (tensor: Tensor) => Promise<DeviceTensor>) {
    this.#upload = upload;
  }

  /** Those that are not there yet are read and uploaded, one after the other: no two are in the host's memory at once. */
  async lease(weights: readonly (readonly [Value, FileRange])[]): Promise<LeasedWeights> {
    const leased: [string, string, DeviceTensor][] = [];
    const release = (): void => {
      for (const [, key] of leased.splice(0)) this.#release(key);
    };
    try {
      for (const [{ name, dtype, shape }, range] of weights) {
        const sizes = shape as readonly number[];
        const key = `${dtype} [${sizes}] ${range.offset} ${range.file}`;
        const entry = this.#entries.get(key) ?? { tensor: this.#read(dtype, sizes, range), users: 0 };
        this.#entries.set(key, entry);
        entry.users += 1;
        try {
          leased.push([name, key, await entry.tensor]);
        } catch (error) {
          if (this.#entries.get(key) === entry) this.#entries.delete(key);
          throw error;
        }
      }
    } catch (error) {
      release();
      throw error;
    }
    return { tensors: Object.fromEntries(leased.map(([name, , tensor]) => [name, tensor])), release };
  }

  async #read(dtype: DType, shape: readonly number[], { file, offset, bytes }: FileRange): Promise<DeviceTensor> {
    const { buffer } = await withFile(file, "a file of weights", (handle) => readBytes(handle, file, offset, bytes));
    return this.#upload(tensorIn(buffer, dtype, shape));
  }

  #release(key: string): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    entry.users -= 1;
    if (entry.users > 0) return;
    this.#entries.delete(key);
    void entry.tensor.then((tensor) => tensor.dispose());
  }
}
