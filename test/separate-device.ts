/**
 * @file The CPU as a device with memory of its own, as a GPU has it: nobody sees the numbers of a tensor that is there but by
 * a download, which is counted, and what a GPU's driver would take badly is an error.
 */
import { cpu } from "../src/backend/cpu.ts";
import type { Device } from "../src/backend/device.ts";
import type { DeviceTensor, Fed } from "../src/backend/program.ts";
import { GlmError } from "../src/errors.ts";
import { copied, type DType, type FloatTensor, type Tensor } from "../src/tensor.ts";

export interface SeparateDevice extends Device {
  isLost: boolean;
  /** Holds runs up: those that write these outputs there. */
  before?: (outputs: readonly string[]) => Promise<void>;
  /** Elements that came back since the last call: of downloads, and of results that runs return. */
  taken(): { readonly downloads: number; readonly results: number };
  /** Tensors that are there. */
  readonly tensors: number;
}

/** How long a download takes, in milliseconds: longer than a run, so that steps could overtake it. */
const DOWNLOAD = 20;

class There implements DeviceTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly #held: Tensor & DeviceTensor;
  readonly #all: Set<There>;

  constructor(held: Tensor & DeviceTensor, all: Set<There>) {
    this.#held = held;
    this.#all = all;
    this.dtype = held.dtype;
    this.shape = held.shape;
    all.add(this);
  }

  get held(): Tensor & DeviceTensor {
    if (!this.#all.has(this)) throw new Error("a tensor was used that is no longer there");
    return this.#held;
  }

  dispose(): void {
    this.#all.delete(this);
  }
}

export function separateDevice(): SeparateDevice {
  const all = new Set<There>();
  let [downloads, results] = [0, 0];
  const here = <T extends Tensor | DeviceTensor>(tensor: T): T => {
    if (device.isLost) throw new GlmError("device-lost", "the GPU was lost.");
    return (tensor instanceof There ? tensor.held : tensor) as T;
  };
  const device: SeparateDevice = {
    name: "webgpu",
    can: { ...cpu.can, ownMemory: true },
    isLost: false,
    get bytes() {
      return [...all].reduce((sum, { held }) => sum + held.data.byteLength, 0);
    },
    get tensors() {
      return all.size;
    },
    taken() {
      const counted = { downloads, results };
      [downloads, results] = [0, 0];
      return counted;
    },
    async compile(graph, options) {
      const program = await cpu.compile(graph, options);
      return {
        async run(inputs: Fed, into: Readonly<Record<string, DeviceTensor>> = {}) {
          const written = new Set(Object.values(into));
          if (Object.values(inputs).some((input) => written.has(input as DeviceTensor)))
            throw new Error("a run reads and writes one tensor");
          if (written.size < Object.keys(into).length) throw new Error("a run writes two outputs to one tensor");
          const fed = mapped(inputs, here);
          await device.before?.(Object.keys(into));
          // A GPU takes its time: whoever does not wait for it is found out.
          await new Promise((resolve) => setImmediate(resolve));
          const found = await program.run(fed, mapped(into, here));
          for (const { data } of Object.values(found)) results += data.length;
          return found;
        },
        dispose: () => program.dispose(),
      };
    },
    upload: async (tensor) =>
      new There({ ...tensor, data: tensor.data.slice(), dispose: () => undefined } as Tensor & DeviceTensor, all),
    allocate: async (dtype, shape) => {
      if (device.isLost) throw new GlmError("device-lost", "the GPU was lost.");
      return new There((await cpu.allocate(dtype, shape)) as FloatTensor & DeviceTensor, all);
    },
    async download(tensor) {
      here(tensor);
      await new Promise((resolve) => setTimeout(resolve, DOWNLOAD));
      const found = copied(here(tensor) as unknown as FloatTensor);
      downloads += found.data.length;
      return found;
    },
  };
  return device;
}

const mapped = <A, B>(record: Readonly<Record<string, A>>, change: (value: A) => B): Record<string, B> =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name, change(value)]));
