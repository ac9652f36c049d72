/** @file An engine with two devices, of which the GPU is the CPU by another name: which one has a model, and what happens when it is full. */
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { cpu } from "../../src/backend/cpu.ts";
import type { Device } from "../../src/backend/device.ts";
import type { Devices } from "../../src/backend/devices.ts";
import type { LoadParams, ModelInfo } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { GlmError } from "../../src/errors.ts";
import { readSafetensors } from "../../src/weights/safetensors.ts";
import { ownHome } from "../home.ts";
import { deviation } from "../oracle.ts";
import { writeSmallModel } from "../small-model.ts";

const home = ownHome();
const engines: LocalEngine[] = [];
let name: string;
beforeAll(async () => {
  name = await writeSmallModel(join(home, "model"));
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

/** @param free bytes of the GPU's memory that nobody uses */
function engineWith(gpu: Partial<Device> = {}, open?: () => Promise<never>, free?: number): LocalEngine {
  const devices: Devices = {
    report: async () => [
      { name: "cpu", title: "2 cores", isSoftware: false },
      { name: "webgpu", title: "a GPU", memory: 1e9, isSoftware: false, ...(free === undefined ? {} : { free }) },
    ],
    trial: async () => undefined,
    open: async (device) =>
      device === "cpu" ? cpu : open ? open() : Object.assign(gpu, { ...cpu, name: "webgpu" as const, ...gpu }),
  };
  const engine = new LocalEngine(devices);
  engines.push(engine);
  return engine;
}

async function load(
  engine: LocalEngine,
  device: LoadParams["device"],
  precision: LoadParams["precision"] = "exact",
): Promise<ModelInfo> {
  for await (const event of engine.stream("load", { name, device, precision, quantize: "none" })) {
    if (event.type === "ready") return event.model;
  }
  throw new Error("loading ended without a model");
}

const full = () => Promise.reject(new GlmError("out-of-memory", "webgpu: the GPU's memory is full."));

describe("auto", () => {
  it("takes the GPU", async () => {
    expect(await load(engineWith(), "auto")).toMatchObject({ device: "webgpu", deviceReason: "a GPU, 1.00 GB" });
  });

  it("takes the processor where the GPU is full, and says why", async () => {
    const engine = engineWith({ compile: full });
    const model = await load(engine, "auto");
    expect(model).toMatchObject({ device: "cpu", deviceReason: "webgpu: the GPU's memory is full." });
    const { shape } = await engine.call("logits", { model: model.key, inputIds: [[5]], adapter: null });
    expect(shape).toEqual([1, 1, 4160]);
    await expect(load(engineWith({ compile: full }), "webgpu")).rejects.toMatchObject({ code: "out-of-memory" });
  });

  it("takes the processor where the GPU cannot be opened, and says why", async () => {
    const engine = engineWith({}, () => Promise.reject(new GlmError("unsupported", "no GPU can be used here")));
    expect(await load(engine, "auto")).toMatchObject({ device: "cpu", deviceReason: "no GPU can be used here" });
  });
});

describe("a model that is loaded", () => {
  it("stays where it is: auto takes it there, another device is refused", async () => {
    const engine = engineWith();
    const there = await load(engine, "cpu");
    expect(await load(engine, "auto")).toMatchObject({ key: there.key, device: "cpu", resident: true });
    await expect(load(engine, "webgpu")).rejects.toMatchObject({
      code: "option-invalid",
      message: expect.stringContaining("loaded on cpu"),
    });
    await engine.call("unload", { model: there.key });
    expect(await load(engine, "webgpu")).toMatchObject({ device: "webgpu", resident: false });
  });

  it("is on one device when two are asked for at once", async () => {
    const engine = engineWith();
    const both = await Promise.allSettled([load(engine, "cpu"), load(engine, "webgpu")]);
    expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    expect(await engine.call("models", {})).toHaveLength(1);
  });

  it("is loaded on another device when its own is gone", async () => {
    const gpu = { can: cpu.can, isLost: false };
    const engine = engineWith(gpu);
    await load(engine, "webgpu");
    const { key } = await load(engine, "auto");
    gpu.isLost = true;
    expect(key).toContain("webgpu");
    expect(await load(engine, "cpu")).toMatchObject({ device: "cpu", resident: false });
    expect(await engine.call("models", {})).toHaveLength(1);
  });

  it("is loaded anew when its device is gone", async () => {
    const gpu: { -readonly [K in keyof Device]?: Device[K] } = { isLost: false };
    const engine = engineWith(gpu);
    const { key } = await load(engine, "webgpu");
    expect(await load(engine, "webgpu")).toMatchObject({ key, resident: true });
    const device = { ...cpu, name: "webgpu" as const, isLost: true };
    const lost = engineWith(device);
    await load(lost, "webgpu");
    expect(await load(lost, "webgpu")).toMatchObject({ resident: false });
  });
});

describe("float16", () => {
  // The processor multiplies such weights by way of float32: what is left to see is that all else is as it was.
  const half = () => engineWith({ can: { ...cpu.can, float16: true, mapsFiles: false } });

  it("answers and trains as float32 does, and keeps the same adapters", async () => {
    const said = async (engine: LocalEngine, precision: LoadParams["precision"]) => {
      const { key: model } = await load(engine, "webgpu", precision);
      const adapter = { owner: "test", name: "a" };
      const config = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["query_key_value"] } as const;
      await engine.call("createAdapter", { model, adapter, config, seed: 1, existing: "replace" });
      const inputIds = [[5, 6, 7, 8]];
      const { data } = await engine.call("logits", { model, inputIds, adapter });
      const batch = { inputIds, labels: [[-100, -100, 7, 8]] };
      const { loss, handle } = await engine.call("gradients", { model, adapter, batch, seed: 1 });
      const gradients = await engine.call("readGradients", { model, handle });
      await engine.call("unload", { model });
      return { data, loss, gradients };
    };
    const engine = half();
    const [exact, fast] = [await said(engine, "exact"), await said(engine, "fast")];
    // The small model's weights are float32 numbers, which float16 has with ten bits of fraction.
    expect(deviation(fast.data, exact.data)).toBeLessThan(1e-2);
    expect(deviation(fast.data, exact.data)).toBeGreaterThan(0);
    expect(fast.loss).toBeCloseTo(exact.loss, 2);
    for (const [parameter, { data }] of Object.entries(exact.gradients)) {
      expect(deviation(fast.gradients[parameter]!.data, data), parameter).toBeLessThan(1e-2);
    }
  });

  it("is taken by auto where others leave no room for more, else the processor", async () => {
    const can = { ...cpu.can, float16: true, mapsFiles: false, ownMemory: true };
    // In float32 it takes 3.8 MB, in float16 3.2.
    const compile = vi.fn(cpu.compile).mockImplementationOnce(full);
    const engine = engineWith({ can, compile }, undefined, 3.5e6);
    expect(await load(engine, "auto", "auto")).toMatchObject({ device: "webgpu", precision: "fast" });
    const none = engineWith({ can, compile: full }, undefined, 3.5e6);
    expect(await load(none, "auto", "auto")).toMatchObject({ device: "cpu", precision: "exact" });
  });

  it("says that the GPU is full where it was asked for, and not that the processor has none", async () => {
    const can = { ...cpu.can, float16: true, mapsFiles: false };
    await expect(load(engineWith({ can, compile: full }), "auto", "fast")).rejects.toThrow("the GPU's memory is full");
  });

  it("saves merged weights of what the checkpoint has, not of what was rounded", async () => {
    const engine = half();
    const merged = async (precision: LoadParams["precision"]): Promise<ReadonlyMap<string, unknown>> => {
      const { key: model } = await load(engine, "webgpu", precision);
      const adapter = { owner: "test", name: "merged" };
      const config = { method: "full", match: ["layers.1.self_attention.dense"] } as const;
      await engine.call("createAdapter", { model, adapter, config, seed: 1, existing: "replace" });
      const folder = join(home, `merged-${precision}`);
      await engine.call("saveModel", { model, adapter, folder, maxShardBytes: 1e9 });
      await engine.call("unload", { model });
      return new Map(Object.entries((await readSafetensors(join(folder, "model.safetensors"))).values));
    };
    expect(await merged("fast")).toEqual(await merged("exact"));
  });

  it("is not mixed with float32 while the model is loaded", async () => {
    const engine = half();
    const there = await load(engine, "webgpu", "fast");
    expect(await load(engine, "webgpu", "auto")).toMatchObject({ key: there.key, precision: "fast", resident: true });
    await expect(load(engine, "webgpu", "exact")).rejects.toThrow("the model is loaded on webgpu (float16)");
  });

  it("refuses weights that it does not have, by name", async () => {
    const folder = await writeSmallModel(join(home, "large"), 0, 1e6);
    const large = half().stream("load", { name: folder, device: "webgpu", precision: "fast", quantize: "none" });
    await expect(drained(large)).rejects.toThrow(
      /expected numbers up to 65504, which float16 has, got larger ones\. Load the model with precision "exact"/,
    );
  });
});

async function drained(events: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of events);
}
