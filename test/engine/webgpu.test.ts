/** @file WebGPU in a process of its own, as in a runtime: the published numbers, and those of the CPU. */
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import type { AdapterTensors } from "../../src/adapters/adapter.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import type { Engine, LoadParams, Quantize } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { GlmError } from "../../src/errors.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import { RemoteEngine } from "../../src/rpc/client.ts";
import { startWorker, type WorkerHandle } from "../../src/runtime/workers.ts";
import type { FitOptions } from "../../src/train/fit-options.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { ownHome } from "../home.ts";
import { copyOracleModel, deviation, oracleTensors, rowsOf } from "../oracle.ts";
import { writeSmallModel } from "../small-model.ts";
import { webGpuDriver } from "../webgpu-driver.ts";
import { oracleSuite } from "./oracle-suite.ts";

// The software driver makes machine code of every kernel when it first meets it.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 120_000 });

/**
 * Their graphs are ChatGLM2's in other sizes. The software driver takes half a minute for each, so they are only computed where
 * that is asked for.
 */
const ALIKE = process.env.GLMLAB_TEST_EVERY_FAMILY ? [] : ["chatglm3-6b", "glm-4-9b"];

const driver = await webGpuDriver();
const scratch = ownHome();

/** One process for all models: what is compiled for one serves the next. */
let worker: WorkerHandle | undefined;
let gpu: Engine;

beforeAll(async () => {
  if (typeof driver === "string") return;
  for (const [name, value] of Object.entries(driver)) vi.stubEnv(name, value);
  worker = startWorker("WebGPU", "process", () => undefined);
  gpu = await RemoteEngine.connect(worker.channel, "the process of the GPU has ended");
});
afterAll(async () => {
  await gpu?.close();
  await worker?.stop();
});

if (typeof driver === "string") it.skip(`WebGPU (${driver})`, () => undefined);
else {
  oracleSuite("on WebGPU", { device: "webgpu", scratch, open: async () => lent(gpu), without: ALIKE });
  describe("WebGPU beside the CPU", besideTheCpu);
}

/** The same engine, which stays open for others. */
const lent = (engine: Engine): Engine => ({
  call: (method, params, options) => engine.call(method, params, options),
  stream: (method, params, options) => engine.stream(method, params, options),
  close: async () => undefined,
});

const LORA = { method: "lora", r: 2, alpha: 4, dropout: 0.2, targets: ["query_key_value", "dense"] } as const;
const FIT: FitOptions = {
  ...{ epochs: 3, lr: 0.01, batchSize: 1, accumulate: 2, clip: 0.5, weightDecay: 0.1, scheduler: "linear", warmup: 1 },
  ...{ patience: 2, rehearse: [], rehearsePerBatch: 0, maxLength: 64, seed: 3, stop: [] },
};

function besideTheCpu(): void {
  const onCpu = new LocalEngine(only(cpu));
  afterAll(() => onCpu.close());

  /** What an engine says of a model, on either device. */
  async function on<T>(
    device: "webgpu" | "cpu",
    name: string,
    quantize: Quantize,
    ask: (engine: Engine, model: string) => Promise<T>,
    precision: LoadParams["precision"] = "exact",
  ): Promise<T> {
    const engine = device === "cpu" ? onCpu : gpu;
    const params: LoadParams = { name, device, precision, quantize };
    for await (const event of engine.stream("load", params)) {
      if (event.type === "ready") return ask(engine, event.model.key);
    }
    throw new Error("loading ended without a model");
  }

  it.each(["int8", "int4"] as const)("computes, answers and trains in %s as the CPU does", async (quantize) => {
    const name = copyOracleModel("chatglm2-6b", join(scratch, `quantized-${quantize}`));
    const { input_ids, labels } = await oracleTensors("chatglm2-6b", "forward");
    const inputIds = rowsOf(input_ids!);
    const adapter = { owner: "test", name: quantize };
    const ask = async (engine: Engine, model: string) => {
      const tokens: number[] = [];
      const options = { ...GREEDY, maxNewTokens: 8, stop: [] };
      const rows = [{ ids: inputIds[0]!, adapter: null }];
      for await (const event of engine.stream("generate", { model, rows, options })) {
        if (event.type === "token") tokens.push(event.token);
      }
      await engine.call("createAdapter", { model, adapter, config: LORA, seed: 1, existing: "replace" });
      const batch = { inputIds, labels: rowsOf(labels!) };
      const { loss, handle } = await engine.call("gradients", { model, adapter, batch, seed: 5 });
      return {
        tokens,
        loss,
        logits: await engine.call("logits", { model, inputIds, adapter: null }),
        gradients: await engine.call("readGradients", { model, handle }),
      };
    };
    const [found, expected] = [await on("webgpu", name, quantize, ask), await on("cpu", name, quantize, ask)];
    expect(found.tokens).toEqual(expected.tokens);
    expect(found.loss).toBeCloseTo(expected.loss, 4);
    expect(deviation(found.logits.data, expected.logits.data)).toBeLessThan(1e-4);
    for (const [parameter, { data }] of Object.entries(expected.gradients)) {
      expect(deviation(found.gradients[parameter]!.data, data), parameter).toBeLessThan(1e-4);
    }
  });

  it("has DoRA, tables as targets and modules that train whole as the CPU has", async () => {
    const name = join(scratch, "dora");
    await writeSmallModel(name);
    const adapter = { owner: "test", name: "dora" };
    const inputIds = [
      [5, 6, 7, 3],
      [9, 8, 4, 4],
    ];
    const config = {
      ...{ ...LORA, targets: ["query_key_value", "word_embeddings", "output_layer"] },
      ...{ dora: true, modulesToSave: ["input_layernorm"] },
    };
    const ask = async (engine: Engine, model: string) => {
      await engine.call("createAdapter", { model, adapter, config, seed: 1, existing: "replace" });
      const batch = { inputIds, labels: inputIds };
      const read: AdapterTensors[] = [];
      for (const seed of [0, 1]) {
        const { handle } = await engine.call("gradients", { model, adapter, batch, seed });
        read.push(await engine.call("readGradients", { model, handle }));
        const step = { model, adapter, optimizer: "o", config: adamWConfig({ lr: 0.02 }), handles: [handle] };
        await engine.call("optimizerStep", step);
      }
      return { read, logits: await engine.call("logits", { model, inputIds, adapter }) };
    };
    const [found, expected] = [await on("webgpu", name, "none", ask), await on("cpu", name, "none", ask)];
    expect(deviation(found.logits.data, expected.logits.data)).toBeLessThan(1e-3);
    for (const [i, tensors] of expected.read.entries()) {
      for (const [parameter, { data }] of Object.entries(tensors)) {
        expect(deviation(found.read[i]?.[parameter]?.data ?? [], data), `${i}: ${parameter}`).toBeLessThan(1e-3);
      }
    }
  });

  it.each(["lora", "full"] as const)("computes layers again going back to the same gradients: %s", async (method) => {
    const name = join(scratch, "checkpointed");
    await writeSmallModel(name);
    const adapter = { owner: "test", name: "checkpointed" };
    const batch = { inputIds: [[5, 6, 7, 3]], labels: [[-100, 6, 7, 3]] };
    const config = method === "lora" ? { ...LORA, targets: "all-linear" } : { method };
    const ask = async (engine: Engine, model: string) => {
      await engine.call("createAdapter", { model, adapter, config, seed: 1, existing: "replace" });
      const of = async (gradientCheckpointing: boolean) => {
        const params = { model, adapter, batch, seed: 5, gradientCheckpointing };
        const { loss, handle } = await engine.call("gradients", params);
        return { loss, gradients: await engine.call("readGradients", { model, handle }) };
      };
      const both = [await of(false), await of(true)] as const;
      await engine.call("disposeAdapter", { model, adapter });
      return both;
    };
    const [kept, again] = await on("webgpu", name, "none", ask);
    expect(again.loss).toBeCloseTo(kept.loss, 6);
    for (const [parameter, { data }] of Object.entries(kept.gradients)) {
      expect(deviation(again.gradients[parameter]!.data, data), parameter).toBeLessThan(1e-6);
    }
  });

  it("holds float16 weights as they are where the GPU has float16, and trains on them exactly", async ({ skip }) => {
    const name = copyOracleModel("chatglm2-6b-fp16-bin", join(scratch, "half"));
    const { input_ids, labels } = await oracleTensors("chatglm2-6b", "forward");
    const inputIds = rowsOf(input_ids!);
    const adapter = { owner: "test", name: "half" };
    const ask = async (engine: Engine, model: string) => {
      await engine.call("createAdapter", { model, adapter, config: LORA, seed: 1, existing: "replace" });
      const batch = { inputIds, labels: rowsOf(labels!) };
      const { loss, handle } = await engine.call("gradients", { model, adapter, batch, seed: 5 });
      return {
        loss,
        logits: await engine.call("logits", { model, inputIds, adapter: null }),
        gradients: await engine.call("readGradients", { model, handle }),
      };
    };
    const found = await on("webgpu", name, "none", ask, "fast").catch((error: unknown) => {
      if (error instanceof GlmError && error.message.includes("computes with float32 only")) return undefined;
      throw error;
    });
    if (!found) return skip("this driver has no float16");
    const expected = await on("cpu", name, "none", ask);
    // Products are summed in float16 by onnxruntime's kernels.
    const moved = deviation(found.logits.data, expected.logits.data);
    expect(moved).toBeLessThan(2e-2);
    expect(moved).toBeGreaterThan(1e-6);
    expect(found.loss).toBeCloseTo(expected.loss, 4);
    for (const [parameter, { data }] of Object.entries(expected.gradients)) {
      expect(deviation(found.gradients[parameter]!.data, data), parameter).toBeLessThan(1e-4);
    }
  });

  it("trains by hand as the CPU does, and gives the memory for that back", async () => {
    const name = join(scratch, "by-hand");
    await writeSmallModel(name);
    const adapter = { owner: "test", name: "by-hand" };
    const batches = [
      { inputIds: [[5, 6, 7, 3]], labels: [[-100, 6, 7, 3]] },
      { inputIds: [[8, 9, 4]], labels: [[-100, -100, 4]] },
    ];
    const config = adamWConfig({ lr: 0.02, clip: 0.5, weightDecay: 0.1 });
    const ask = async (engine: Engine, model: string) => {
      await engine.call("createAdapter", { model, adapter, config: LORA, seed: 1, existing: "replace" });
      const bytes = async () => (await engine.call("models", {})).find((one) => one.model.key === model)?.deviceBytes;
      const before = await bytes();
      const told: number[] = [];
      const read: AdapterTensors[] = [];
      for (let seed = 0; seed < 4; seed += 1) {
        const handles: number[] = [];
        for (const batch of batches.slice(seed % 2)) {
          const { loss, handle } = await engine.call("gradients", { model, adapter, batch, seed });
          told.push(loss);
          handles.push(handle);
        }
        read.push(await engine.call("readGradients", { model, handle: handles[0]! }));
        const step = { model, adapter, optimizer: `o${seed % 2}`, config, handles };
        const { gradientNorm, step: steps } = await engine.call("optimizerStep", step);
        told.push(gradientNorm, steps);
      }
      read.push(await engine.call("readAdapter", { model, adapter }));
      // Of what is not used either.
      await engine.call("gradients", { model, adapter, batch: batches[0]!, seed: 9 });
      const during = await bytes();
      await engine.call("disposeAdapter", { model, adapter });
      return { told, read, bytes: [before, during, await bytes()] };
    };
    const [found, expected] = [await on("webgpu", name, "none", ask), await on("cpu", name, "none", ask)];
    const [before, during, after] = found.bytes as [number, number, number];
    expect(during).toBeGreaterThan(before);
    expect(after).toBe(before);
    expect(found.told).toHaveLength(expected.told.length);
    for (const [i, number] of expected.told.entries()) expect(found.told[i]).toBeCloseTo(number, 3);
    for (const [i, tensors] of expected.read.entries()) {
      for (const [parameter, { data }] of Object.entries(tensors)) {
        expect(deviation(found.read[i]?.[parameter]?.data ?? [], data), `${i}: ${parameter}`).toBeLessThan(1e-3);
      }
    }
  });

  it("trains in steps as the CPU does, and is asked meanwhile with the values of the last one", async () => {
    const name = join(scratch, "fitted");
    await writeSmallModel(name);
    const rows = [
      { prompt: "a b", response: "c d" },
      { prompt: "b", response: "a" },
    ];
    const adapter = { owner: "test", name: "fitted" };
    const ask = async (engine: Engine, model: string) => {
      await engine.call("createAdapter", { model, adapter, config: LORA, seed: 1, existing: "replace" });
      const steps: number[][] = [];
      const meanwhile: Float32Array[] = [];
      const events = engine.stream("fit", { model, adapter, rows, validation: rows.slice(1), options: FIT });
      for await (const event of events) {
        if (event.type === "step") steps.push([event.loss, event.gradientNorm]);
        if (event.type === "epoch") steps.push([event.validationLoss ?? Number.NaN]);
        if (event.type !== "step") continue;
        meanwhile.push((await engine.call("logits", { model, inputIds: [[5, 6]], adapter })).data);
      }
      const values: AdapterTensors = await engine.call("readAdapter", { model, adapter });
      return { steps, meanwhile, values };
    };
    const [found, expected] = [await on("webgpu", name, "none", ask), await on("cpu", name, "none", ask)];
    expect(found.steps).toHaveLength(expected.steps.length);
    for (const [i, numbers] of expected.steps.entries()) {
      for (const [k, number] of numbers.entries()) expect(found.steps[i]?.[k]).toBeCloseTo(number, 3);
    }
    for (const [i, logits] of expected.meanwhile.entries()) {
      expect(deviation(found.meanwhile[i]!, logits)).toBeLessThan(1e-3);
    }
    for (const [parameter, { data }] of Object.entries(expected.values)) {
      expect(deviation(found.values[parameter]!.data, data), parameter).toBeLessThan(1e-3);
    }
  });
}
