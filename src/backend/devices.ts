/** @file The devices of this machine: what there is, whether it can be used, and the way to it. */
import { GlmError } from "../errors.ts";
import type { Device, DeviceName } from "./device.ts";

/** What is known of a device before it is used. */
export interface DeviceReport {
  readonly name: DeviceName;
  /** "NVIDIA H100 80GB HBM3", "2 cores"; "none" where there is none. */
  readonly title: string;
  /** Set where this machine has no such device; the obstacle says so, too. */
  readonly isMissing?: true;
  /** Bytes of memory, where it is known. */
  readonly memory?: number;
  /** Bytes of that which nobody uses now. */
  readonly free?: number;
  /** Whether it computes on the processor, and slower than the processor itself. */
  readonly isSoftware: boolean;
  /** Why it cannot be used, and what to do; absent where it can, as far as is known. */
  readonly obstacle?: string;
}

/** Where models can run. */
export interface Devices {
  report(): Promise<readonly DeviceReport[]>;
  /** What goes wrong when the GPU is used, and what to do; undefined when nothing does. */
  trial(): Promise<string | undefined>;
  /** @throws GlmError "unsupported" with the reason and the remedy */
  open(name: DeviceName): Promise<Device>;
}

/** One device that is there already. */
export const only = (device: Device): Devices => ({
  report: async () => [{ name: device.name, title: device.name, isSoftware: false }],
  trial: async () => undefined,
  async open(name) {
    if (name === device.name) return device;
    throw new GlmError(
      "unsupported",
      `device ${name}: only ${device.name} can be used here. Use device "${device.name}".`,
    );
  },
});
