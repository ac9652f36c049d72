/** @file Which device a model is loaded on: the one that was asked for, or the one that serves best. */

import type { Device } from "../backend/device.ts";
import type { DeviceReport, Devices } from "../backend/devices.ts";
import { byteSize } from "../byte-size.ts";
import { GlmError } from "../errors.ts";
import type { DeviceChoice } from "./engine.ts";
import type { MemoryThere } from "./memory-fit.ts";

export interface ChosenDevice {
  readonly device: Device;
  /** Why this one, where it was not asked for: "this machine shows no GPU". */
  readonly reason?: string;
  /** Its own memory as it is now; absent where that is the machine's, or is not known. */
  readonly memory?: () => MemoryThere;
}

/**
 * The devices on which a load may be tried, the best first: with `auto` a real GPU and then the processor, else the one that
 * was asked for.
 * @throws GlmError "unsupported" when it cannot be used
 */
export async function chosenDevices(devices: Devices, wanted: DeviceChoice): Promise<ChosenDevice[]> {
  if (wanted === "cuda") {
    throw new GlmError(
      "unsupported",
      "device cuda: onnxruntime's CUDA kernels take no weights and caches that stay on the GPU from JavaScript: all of " +
        'them would cross at every token. Use device "webgpu", which runs on NVIDIA\'s GPUs, too.',
    );
  }
  const reports = await devices.report();
  const gpu = reports.find(({ name }) => name === "webgpu");
  if (wanted !== "auto") return [await opened(devices, wanted, gpu)];
  const reason = await reasonAgainst(devices, gpu);
  if (reason !== undefined || !hasChoice(gpu))
    return [{ ...(await opened(devices, "cpu")), ...(reason ? { reason } : {}) }];
  try {
    const first = await opened(devices, "webgpu", gpu);
    const room = gpu.memory === undefined ? "" : `, ${byteSize(gpu.memory)}`;
    return [{ ...first, reason: `${gpu.title}${room}` }, await opened(devices, "cpu")];
  } catch (error) {
    return [{ ...(await opened(devices, "cpu")), reason: textOf(error) }];
  }
}

/** Why a model that fits nowhere better is loaded on the processor. */
export const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** Whether a load may come to a GPU, as far as can be told without touching its driver. */
export async function mayUseGpu(devices: Devices, wanted: DeviceChoice): Promise<boolean> {
  if (wanted !== "auto") return wanted === "webgpu";
  const gpu = (await devices.report()).find(({ name }) => name === "webgpu");
  return hasChoice(gpu) && (await reasonAgainst(devices, gpu)) === undefined;
}

/** Where there is no GPU there is nothing to choose from, and nothing to be said. */
const hasChoice = (gpu: DeviceReport | undefined): gpu is DeviceReport => gpu !== undefined && !gpu.isMissing;

async function reasonAgainst(devices: Devices, gpu: DeviceReport | undefined): Promise<string | undefined> {
  if (!hasChoice(gpu)) return undefined;
  if (gpu.obstacle !== undefined) return `${gpu.title} cannot be used: ${gpu.obstacle}`;
  if (gpu.isSoftware) return "its GPU driver is software, which is slower than the processor itself";
  const fault = await devices.trial();
  return fault === undefined ? undefined : `${gpu.title} cannot be used: ${fault}`;
}

async function opened(devices: Devices, name: "cpu" | "webgpu", report?: DeviceReport): Promise<ChosenDevice> {
  const device = await devices.open(name);
  if (name === "cpu" || report?.memory === undefined) return { device };
  const { memory: total, free = total } = report;
  const before = device.bytes;
  return { device, memory: () => ({ total, available: free - (device.bytes - before) }) };
}
