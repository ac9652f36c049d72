/** @file This machine's devices: its processor, and its GPU by way of WebGPU. */
import { cpus, totalmem } from "node:os";
import { GlmError } from "../errors.ts";
import { plural } from "../plural.ts";
import type { Device } from "./device.ts";
import type { DeviceReport, Devices } from "./devices.ts";
import { surveyGpus } from "./gpu-survey.ts";
import { NO_WEBGPU, tryGpu } from "./gpu-trial.ts";

/** Native libraries are loaded only where they are used. */
export const machine: Devices = {
  async report() {
    const cores = cpus();
    const processor: DeviceReport = {
      name: "cpu",
      title: `${cores[0]?.model ?? "processor"}, ${plural(cores.length, "core")}`,
      memory: totalmem(),
      isSoftware: false,
    };
    const { gpus, obstacle, softwareOnly } = await surveyGpus();
    const [first] = gpus;
    const isMissing = first === undefined && !softwareOnly;
    const graphics: DeviceReport = {
      name: "webgpu",
      title: first?.name ?? (softwareOnly ? "a software driver" : "none"),
      isSoftware: softwareOnly,
      ...(isMissing ? { isMissing } : {}),
      ...(first?.memory === undefined ? {} : { memory: first.memory }),
      ...(first?.free === undefined ? {} : { free: first.free }),
      ...(obstacle === undefined ? {} : { obstacle }),
    };
    return [processor, graphics];
  },
  trial: () => (tried ??= tryGpu()),
  open: async (name) => (name === "cpu" ? (await import("./cpu.ts")).cpu : openGpu()),
};

let tried: Promise<string | undefined> | undefined;

const lost: (() => void)[] = [];

/** Told when this process has lost the GPU: another one may have it again. */
export function whenGpuIsLost(listener: () => void): void {
  lost.push(listener);
}

let gpu: Promise<Device> | undefined;

/** One for all models of this process: weights that they share are there once. */
function openGpu(): Promise<Device> {
  gpu ??= foundGpu();
  gpu.catch(() => (gpu = undefined));
  return gpu;
}

async function foundGpu(): Promise<Device> {
  const { obstacle } = await surveyGpus();
  if (obstacle !== undefined) {
    throw new GlmError("unsupported", `device webgpu cannot be used: ${obstacle}. Or use device "cpu".`);
  }
  if (!(await import("./onnxruntime.ts")).hasWebGpu) {
    throw new GlmError("unsupported", `device webgpu cannot be used: ${NO_WEBGPU}. Use device "cpu".`);
  }
  const { WebGpu } = await import("./webgpu.ts");
  return WebGpu.open({
    onLost: () => {
      gpu = undefined;
      for (const listener of lost) listener();
    },
  });
}

/** What there is, with the GPU tried, which takes a second the first time. */
export async function examinedDevices(): Promise<readonly DeviceReport[]> {
  const reports = await machine.report();
  const trial = reports.some(isUntried) ? await machine.trial() : undefined;
  return reports.map((report) => (isUntried(report) && trial !== undefined ? { ...report, obstacle: trial } : report));
}

const isUntried = ({ name, obstacle }: DeviceReport): boolean => name === "webgpu" && obstacle === undefined;
