/** @file Training whose values stay on a device, against training in ordinary memory: the same steps, the same values. */
import { afterAll, describe, expect, it } from "vitest";
import type { AdapterTensors, LoraConfig } from "../../src/adapters/adapter.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { copiedAll, type FloatTensor } from "../../src/tensor.ts";
import { deviceLearner } from "../../src/train/device-learner.ts";
import { hostLearner } from "../../src/train/host-learner.ts";
import type { Learner } from "../../src/train/learner.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { type TrainingProgram, trainingProgram } from "../../src/train/program.ts";
import { deviation } from "../oracle.ts";
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
const program = await trainingProgram(model.config, adapter, model.weights, cpu);
afterAll(() => program.dispose());

async function both() {
  const host = await adapter.initialize(1);
  const device = await deviceLearner(cpu, adapter.parameters, copiedAll(host), program);
  const onHost = hostLearner(host, {
    gradients: (batch, seed) => program.gradients(batch, host, seed),
    loss: (batch) => program.loss(batch, host),
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
    const { device } = await both();
    await step(device, 0);
    const before = await device.read();
    const broken: TrainingProgram = {
      ...program,
      async gradients(batch, parameters, seed, into) {
        const lesson = await program.gradients(batch, parameters, seed, into);
        for (const one of Object.values(into ?? {})) (one as unknown as FloatTensor).data.fill(Number.NaN);
        return lesson;
      },
    };
    const other = await deviceLearner(cpu, adapter.parameters, before, broken);
    await expect(step(other, 1)).rejects.toMatchObject({ code: "loss-not-finite" });
    expect(await other.read()).toEqual(before);
    await other.close();
    await device.close();
  });
});
