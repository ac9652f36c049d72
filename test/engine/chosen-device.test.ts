/** @file Which device a model is loaded on, for machines that are only reported. */
import { describe, expect, it } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import type { Device } from "../../src/backend/device.ts";
import type { DeviceReport, Devices } from "../../src/backend/devices.ts";
import { chosenDevices, mayUseGpu } from "../../src/engine/chosen-device.ts";
import type { LoadParams, ModelInfo } from "../../src/engine/engine.ts";
import { isElsewhere, mustBeAuto } from "../../src/engine/one-device.ts";

const GPU: DeviceReport = { name: "webgpu", title: "NVIDIA L4", memory: 24e9, free: 20e9, isSoftware: false };
const gpu: Device = { ...cpu, name: "webgpu" };

function machine(report: Partial<DeviceReport>, trial?: string): Devices {
  return {
    report: async () => [
      { name: "cpu", title: "2 cores", isSoftware: false },
      { ...GPU, ...report },
    ],
    trial: async () => trial,
    open: async (name) => (name === "cpu" ? cpu : gpu),
  };
}

const chosen = async (devices: Devices, wanted: "auto" | "cpu" | "webgpu") =>
  (await chosenDevices(devices, wanted)).map(({ device, reason }) => [device.name, reason]);

describe("auto", () => {
  it("takes a real GPU, and says which; the processor is there for what does not fit", async () => {
    expect(await chosen(machine({}), "auto")).toEqual([
      ["webgpu", "NVIDIA L4, 24.0 GB"],
      ["cpu", undefined],
    ]);
    const [first] = await chosenDevices(machine({}), "auto");
    expect(first?.memory?.()).toEqual({ total: 24e9, available: 20e9 });
  });

  it.each([
    ["a software driver", { isSoftware: true, title: "a software driver" }, undefined, /slower than the processor/],
    ["no loader", { obstacle: "there is no Vulkan loader" }, undefined, /NVIDIA L4 cannot be used: there is no Vulkan/],
    ["a driver that ends its process", {}, "its driver ends the process", /NVIDIA L4 cannot be used: its driver ends/],
  ] as const)("never takes %s, and says so", async (_, report, trial, reason) => {
    expect(await chosen(machine(report, trial), "auto")).toEqual([["cpu", expect.stringMatching(reason)]]);
    expect(await mayUseGpu(machine(report, trial), "auto")).toBe(false);
  });

  it("says nothing where there is nothing to choose from", async () => {
    const bare = machine({ title: "none", isMissing: true, obstacle: "this machine shows no GPU" });
    expect(await chosen(bare, "auto")).toEqual([["cpu", undefined]]);
    expect(await mayUseGpu(bare, "auto")).toBe(false);
  });
});

it("takes what is asked for by name, also a software driver", async () => {
  const software = machine({ isSoftware: true });
  expect(await chosen(software, "webgpu")).toEqual([["webgpu", undefined]]);
  expect(await chosen(machine({}), "cpu")).toEqual([["cpu", undefined]]);
  expect([await mayUseGpu(software, "webgpu"), await mayUseGpu(machine({}), "cpu")]).toEqual([true, false]);
});

it("refuses CUDA with the reason, and names what to use", async () => {
  await expect(chosenDevices(machine({}), "cuda")).rejects.toMatchObject({
    code: "unsupported",
    message: expect.stringContaining('Use device "webgpu"'),
  });
});

describe("weights on one device at a time", () => {
  const info = (key: string, device: "cpu" | "webgpu"): ModelInfo =>
    ({
      key: `${key}-${device}`,
      weightsKey: key,
      device,
      name: "it",
      precision: "exact",
      quantize: "none",
    }) as ModelInfo;
  const asking = (device: LoadParams["device"], precision: LoadParams["precision"] = "auto"): LoadParams => ({
    ...{ name: "it", device, precision, quantize: "none" },
  });

  it("are elsewhere only when they are the same in the same form", () => {
    expect(isElsewhere(info("a", "cpu"), info("a", "webgpu"))).toBe(true);
    expect(isElsewhere(info("a", "cpu"), info("a", "cpu"))).toBe(false);
    expect(isElsewhere(info("a", "cpu"), info("b", "webgpu"))).toBe(false);
  });

  it("are taken where they are with auto, and not moved by one who asks for another device", () => {
    expect(() => mustBeAuto(asking("auto"), info("a", "cpu"))).not.toThrow();
    expect(() => mustBeAuto(asking("webgpu"), info("a", "cpu"))).toThrow(/loaded on cpu.*%runtime unload/s);
  });

  it("stay in one precision, too", () => {
    const there: ModelInfo = { ...info("a", "webgpu"), precision: "fast" };
    expect(() => mustBeAuto(asking("auto"), there)).not.toThrow();
    expect(() => mustBeAuto(asking("auto", "fast"), there)).not.toThrow();
    expect(() => mustBeAuto(asking("webgpu", "exact"), there)).toThrow(
      "precision exact: the model is loaded on webgpu (float16), for this notebook or for others, and its adapters with it. ",
    );
    expect(() => mustBeAuto(asking("webgpu", "exact"), there)).toThrow('precision "auto", which takes it as it is');
  });
});
