/** @file Training whose values stay on a device, against training in ordinary memory: the same steps, the same values. */
import { afterAll, describe, expect, it } from "vitest";
import type { AdapterTensors, LoraConfig } from "../../src/adapters/adapter.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { copiedAll, type FloatTensor } from "../../src/tensor.ts";
import { deviceLearner } from "../../src/train/device-learner.ts";
import { GradientPool } from "../../src/train/gradient-pool.ts";
import { hostLearner } from "../../src/train/host-learner.ts";
import type { Learner } from "../../src/train/learner.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { type TrainingProgram, trainingProgram } from "../../src/train/program.ts";
import { ResidentValues } from "../../src/train/resident-values.ts";
import { deviation } from "../oracle.ts";
import { separateDevice } from "../separate-device.ts";
import { oracleModel } from "./trainee.ts";

const LORA: LoraConfig = { method: "lora", r: 3, alpha: 6, dropout: 0.25, targets: ["query_key_value", "dense"] };
const BATCHES = [
  { inputIds: [[1, 5, 6, 7, 8]], labels: [[-100, -100, 6, 7, 8]] },
  {
    inputIds: [
      [1, 9, 4],
      [1, 20, 21],
    ],
    labels: [
      [-100, 9, 4],
      [-100, 20, 21],
    ],
  },
];
const CONFIG = adamWConfig({ lr: 0.01, clip: 0.5, weightDecay: 0.1 });

const model = await oracleModel();
const adapter = createAdapter(LORA, model.base);
const device = separateDevice();
const program = await trainingProgram(model.config, adapter, model.weights, device);
const onCpu = await trainingProgram(model.config, adapter, model.weights, cpu);
afterAll(async () => {
  await Promise.all([program.dispose(), onCpu.dispose()]);
});

async function resident(tensors: AdapterTensors, program: TrainingProgram) {
  const values = await ResidentValues.open(device, adapter.parameters, tensors, program);
  const learner = await deviceLearner(values);
  const close = async () => {
    learner.close();
    await values.close();
  };
  return { ...learner, read: () => values.read(), close };
}

async function both() {
  const host = await adapter.initialize(1);
  const device = await resident(copiedAll(host), program);
  const onHost = hostLearner(host, {
    gradients: (batch, seed) => onCpu.gradients(batch, host, seed),
    loss: (batch) => onCpu.loss(batch, host),
  });
  return { host, onHost, device };
}

async function step(learner: Learner, seed: number): Promise<{ loss: number; norm: number }> {
  const lessons = [];
  for (const batch of BATCHES) lessons.push(await learner.gradients(batch, seed));
  const shares = lessons.map(({ gradients, tokens }) => ({ gradients, weight: tokens }));
  return { loss: lessons[0]?.loss ?? Number.NaN, norm: await learner.step(CONFIG, shares) };
}

function expectSame(read: AdapterTensors, host: AdapterTensors): void {
  expect(Object.keys(read)).toEqual(Object.keys(host));
  for (const [name, { shape, data }] of Object.entries(host)) {
    const found = read[name] as FloatTensor;
    expect(found.shape).toEqual(shape);
    expect(deviation(found.data, data), name).toBeLessThan(1e-5);
  }
}

describe("a learner on a device", () => {
  it("takes the steps that one in ordinary memory takes: accumulation, clipping, decay and dropout", async () => {
    const { host, onHost, device } = await both();
    expectSame(await device.read(), host);
    for (let seed = 0; seed < 8; seed += 1) {
      const [expected, found] = [await step(onHost, seed), await step(device, seed)];
      expect(found.loss).toBeCloseTo(expected.loss, 4);
      expect(found.norm / expected.norm).toBeCloseTo(1, 4);
      const [left, right] = [await onHost.loss(BATCHES[1]!), await device.loss(BATCHES[1]!)];
      expect(right.loss).toBeCloseTo(left.loss, 4);
    }
    expectSame(await device.read(), host);
    await device.close();
  });

  it("goes back to values alone, or with the optimiser's moments", async () => {
    const { host, onHost, device } = await both();
    const learners = [onHost, device];
    for (const learner of learners) {
      await step(learner, 0);
      const [values, all] = [await learner.snapshot("values"), await learner.snapshot("all")];
      await step(learner, 1);
      await step(learner, 2);
      await learner.restore(all);
      await step(learner, 3);
      await learner.restore(values);
      await step(learner, 4);
      values.release();
      all.release();
      await step(learner, 5);
    }
    expectSame(await device.read(), host);
    await device.close();
  });

  it("refuses gradients that are no numbers, and changes nothing", async () => {
    const { device: learner } = await both();
    await step(learner, 0);
    const before = await learner.read();
    const infinite = copiedAll(before);
    for (const { data } of Object.values(infinite)) data.fill(1e30);
    const other = await resident(infinite, program);
    await expect(step(other, 1)).rejects.toMatchObject({ code: "loss-not-finite" });
    expect(await other.read()).toEqual(infinite);
    await other.close();
    await learner.close();
  });

  it("gives back all that it took, also gradients that no step used", async () => {
    const { device: learner } = await both();
    await step(learner, 0);
    await learner.gradients(BATCHES[0]!, 1);
    await learner.snapshot("all");
    expect(device.tensors).toBeGreaterThan(0);
    await learner.close();
    expect(device.tensors).toBe(0);
  });
});

describe("values on a device", () => {
  const shares = async (values: ResidentValues, pool: GradientPool) => {
    const { gradients, tokens } = await values.gradients(BATCHES[0]!, 1, pool);
    return [{ gradients, weight: tokens }];
  };

  it("are read, and what optimisers remember of them, as they were when that was asked, whatever is done meanwhile", async () => {
    const values = await ResidentValues.open(device, adapter.parameters, await adapter.initialize(1), program);
    const pool = new GradientPool(device, adapter.parameters);
    const [one, other] = [await values.moments(), await values.moments()];
    for (const moments of [one, other, one]) await values.step(CONFIG, moments, await shares(values, pool));
    const before = [await values.read(), await one.copy(), await other.copy()];
    const reading = Promise.all([values.read(), one.copy(), other.copy()]);
    const measuring = values.loss(BATCHES[0]!);
    const all = await shares(values, pool);
    for (const moments of [one, one, other, other]) await values.step(CONFIG, moments, all);
    expect(await reading).toEqual(before);
    expect((await measuring).loss).toBeCloseTo((await onCpu.loss(BATCHES[0]!, before[0] as AdapterTensors)).loss, 4);
    expect([one.step, other.step]).toEqual([4, 3]);
    // Elsewhere and back.
    const moved = await values.moments(await one.copy());
    expect(await moved.copy()).toEqual(await one.copy());
    moved.release();
    pool.dispose();
    const last = values.read();
    await values.close();
    expect(Object.keys(await last)).toHaveLength(adapter.parameters.length);
    expect(device.tensors).toBe(0);
    await expect(values.read()).rejects.toMatchObject({ code: "model-not-loaded" });
  });

  it("leave gradients as they are until a step has used them, whoever releases them meanwhile", async () => {
    const values = await ResidentValues.open(device, adapter.parameters, await adapter.initialize(1), program);
    const pool = new GradientPool(device, adapter.parameters);
    const moments = await values.moments();
    const all = await shares(values, pool);
    const expected = Math.hypot(...Object.values(await all[0]!.gradients.read()).flatMap(({ data }) => [...data]));
    const stepping = values.step(CONFIG, moments, all);
    all[0]!.gradients.release();
    await shares(values, pool);
    expect((await stepping) / expected).toBeCloseTo(1, 4);
    await expect(values.step(CONFIG, moments, all)).rejects.toMatchObject({ code: "data-invalid" });
    pool.dispose();
    await values.close();
    expect(device.tensors).toBe(0);
  });
});
