/** @file What crosses between the host and a device, counted: of every run the tensors that are fed from and returned to the host. */
import type { Device } from "../../src/backend/device.ts";
import type { DeviceTensor, Program } from "../../src/backend/program.ts";
import type { Tensor } from "../../src/tensor.ts";

/** In bytes. */
export interface Traffic {
  readonly toDevice: number;
  readonly toHost: number;
}

export interface Metered {
  readonly device: Device;
  /** What has crossed in runs since the last call. Tensors and weights that are uploaded are not among it. */
  taken(): Traffic;
}

/** The same device, whose programs are watched. It tells host and device apart only where the device's memory is its own. */
export function metered(device: Device): Metered {
  let [toDevice, toHost] = [0, 0];
  const watched = (program: Program): Program => ({
    async run(inputs, into) {
      const results = await program.run(inputs, into);
      toDevice += bytesOnHost(inputs);
      toHost += bytesOnHost(results);
      return results;
    },
    dispose: () => program.dispose(),
  });
  return {
    device: {
      name: device.name,
      can: device.can,
      compile: async (graph, options) => watched(await device.compile(graph, options)),
      upload: (tensor) => device.upload(tensor),
      allocate: (dtype, shape) => device.allocate(dtype, shape),
      download: (tensor) => device.download(tensor),
      get bytes() {
        return device.bytes;
      },
      ...(device.packer ? { packer: device.packer } : {}),
    },
    taken() {
      const traffic = { toDevice, toHost };
      [toDevice, toHost] = [0, 0];
      return traffic;
    },
  };
}

function bytesOnHost(tensors: Readonly<Record<string, Tensor | DeviceTensor>>): number {
  let bytes = 0;
  for (const one of Object.values(tensors)) if ("data" in one) bytes += one.data.byteLength;
  return bytes;
}
