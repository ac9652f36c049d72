/** @file AdaLoRA in an engine: loops by hand that go on after the engine has ended, and what is told of ranks. */
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { AdaLoraConfig, AdapterTensors, ModuleRank } from "../../src/adapters/adapter.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { only } from "../../src/backend/devices.ts";
import type { AdapterInfo, Batch, Calls, GradientInfo } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import type { FitOptions } from "../../src/train/fit-options.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import type { TeachEvent } from "../../src/train/teach.ts";
import type { FitEvent } from "../../src/train/trainer.ts";
import { ownHome } from "../home.ts";
import { copyOracleModel, oracleFolder, oracleTensors, rowsOf } from "../oracle.ts";
import { writeSmallModel } from "../small-model.ts";
import { loadModel } from "./oracle-suite.ts";
import { connectThrough } from "./ports.ts";

const home = ownHome();
const engines: LocalEngine[] = [];
let small: string;
beforeAll(async () => {
  small = await writeSmallModel(join(home, "model"));
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

type Stepped = Calls["optimizerStep"]["result"];

/** A loaded model, and one adapter's loop. */
interface Subject {
  readonly engine: LocalEngine;
  readonly model: string;
  gradients(batch: Batch): Promise<GradientInfo>;
  step(handles: readonly number[], optimizer?: string): Promise<Stepped>;
  values(): Promise<AdapterTensors>;
  info(): Promise<AdapterInfo>;
}

async function open(folder: string, name: string): Promise<Subject> {
  const engine = new LocalEngine(only(cpu));
  engines.push(engine);
  const { key: model } = await loadModel(engine, folder);
  const target = { model, adapter: { owner: "test", name } };
  return {
    engine,
    model,
    gradients: (batch) => engine.call("gradients", { ...target, batch, seed: 0 }),
    step: (handles, optimizer = "o") =>
      engine.call("optimizerStep", { ...target, optimizer, config: adamWConfig({ lr: 5e-3 }), handles }),
    values: () => engine.call("readAdapter", target),
    info: () => engine.call("adapterInfo", target),
  };
}

const CONFIG: AdaLoraConfig = {
  ...{ method: "adaLora", r: 2, initR: 4, alpha: 8, dropout: 0, targets: ["query_key_value", "dense"] },
  ...{ tinit: 2, tfinal: 3, deltaT: 3, beta1: 0.85, beta2: 0.85, orthogonality: 0.5, totalStep: 12 },
};
const BATCHES: readonly Batch[] = [
  { inputIds: [[5, 6, 7, 3]], labels: [[-100, 6, 7, 3]] },
  { inputIds: [[8, 9, 4]], labels: [[-100, -100, 4]] },
];
const batchAt = (k: number): Batch => BATCHES[k % BATCHES.length] as Batch;
const total = (ranks: readonly ModuleRank[] | undefined): number => ranks!.reduce((sum, { rank }) => sum + rank, 0);

async function create(name: string, config: AdaLoraConfig = CONFIG): Promise<Subject> {
  const subject = await open(small, name);
  const target = { model: subject.model, adapter: { owner: "test", name } };
  await subject.engine.call("createAdapter", { ...target, config, seed: 1 });
  return subject;
}

it.each([
  ["chatglm-6b", 5],
  ["chatglm2-6b", 9],
  ["chatglm3-6b", 12],
] as const)(
  "%s oracle: fourteen steps, the engine ended after %i, come to what they come to at once",
  async (family, end) => {
    const folder = copyOracleModel(family, join(home, family));
    const batches = await oracleTensors(family, "train-batches");
    const run = async (name: string, ends: boolean) => {
      let subject = await open(folder, name);
      const adapter = { owner: "test", name };
      const from = oracleFolder(family, "adalora");
      await subject.engine.call("loadAdapter", { model: subject.model, adapter, folder: from });
      const log: { readonly loss: number; readonly ranks: readonly ModuleRank[] | undefined }[] = [];
      for (let k = 0; k < 14; k += 1) {
        if (ends && k === end) {
          const before = await subject.info();
          await subject.engine.close();
          subject = await open(folder, name);
          expect((await subject.info()).ranks).toEqual(before.ranks);
          const listed = await subject.engine.call("adapters", { model: subject.model, owner: "test" });
          expect(listed.find((one) => one.name === name)?.ranks).toEqual(before.ranks);
        }
        const batch = { inputIds: rowsOf(batches[`${k}.input_ids`]!), labels: rowsOf(batches[`${k}.labels`]!) };
        const { loss, handle } = await subject.gradients(batch);
        const { ranks } = await subject.step([handle]);
        log.push({ loss, ranks });
      }
      return { log, values: await subject.values() };
    };
    const atOnce = await run("at-once", false);
    expect(await run("ended", true)).toEqual(atOnce);
    const modules = atOnce.log[0]!.ranks!.length;
    expect(total(atOnce.log[0]!.ranks)).toBe(6 * modules);
    expect(total(atOnce.log[13]!.ranks)).toBe(3 * modules);
  },
);

describe("an optimiser", () => {
  it("begins the schedule anew, whatever another has given up", async () => {
    const subject = await create("two");
    const step = async (k: number, optimizer: string) =>
      subject.step([(await subject.gradients(batchAt(k))).handle], optimizer);
    let ranks: Stepped["ranks"];
    for (let k = 0; k < 12; k += 1) ({ ranks } = await step(k, "first"));
    expect(total(ranks)).toBe(2 * ranks!.length);
    for (let k = 0; k < 3; k += 1) ({ ranks } = await step(k, "second"));
    expect(total(ranks)).toBe(4 * ranks!.length);
  });

  it("must know how many steps there will be", async () => {
    const { totalStep: _, ...config } = CONFIG;
    const subject = await create("unplanned", config);
    const before = await subject.values();
    const { handle } = await subject.gradients(batchAt(0));
    await expect(subject.step([handle])).rejects.toThrow(/unplanned: .*totalStep/);
    expect(await subject.values()).toEqual(before);
  });
});

describe("too few steps", () => {
  it("for an adapter to be made, to be fitted or to be taught", async () => {
    await expect(create("short", { ...CONFIG, totalStep: 5 })).rejects.toMatchObject({
      code: "option-invalid",
      message: expect.stringMatching(/more steps than tinit \+ tfinal \(2 \+ 3\).*, got 5\./),
    });
    const { engine, model, values, info } = await create("long");
    const before = await values();
    const target = { model, adapter: { owner: "test", name: "long" } };
    const rows = [{ prompt: "a b", response: "c d" }];
    const options = {
      ...{ epochs: 5, lr: 0.01, batchSize: 1, accumulate: 1, clip: 1, weightDecay: 0, scheduler: "constant" as const },
      ...{ warmup: 0, patience: 0, rehearse: [], rehearsePerBatch: 0, maxLength: 64, seed: 3, stop: [] },
    };
    const fit = engine.stream("fit", { ...target, rows, validation: [], options });
    await expect(fit.next()).rejects.toThrow(/tinit \+ tfinal \(2 \+ 3\).*got 5\./);
    const teaching = {
      ...{ steps: 4, lr: 1e-4, batchSize: 1, rehearsePerStep: 0, checkEvery: 12, extraSteps: 0, clip: 1 },
      ...{ weightDecay: 0, maxLength: 64, seed: 3, stop: [2] },
    };
    const taught = { lessons: rows, kept: [], rehearse: [] };
    await expect(engine.stream("teach", { ...target, rows: taught, options: teaching }).next()).rejects.toThrow(
      /got 4\./,
    );
    expect(await values()).toEqual(before);
    expect((await info()).steps).toBe(0);
  });
});

describe("what is told of ranks", () => {
  const FIT: FitOptions = {
    ...{ epochs: 12, lr: 0.01, batchSize: 1, accumulate: 1, clip: 1, weightDecay: 0, scheduler: "constant", warmup: 0 },
    ...{ patience: 0, rehearse: [], rehearsePerBatch: 0, maxLength: 64, seed: 3, stop: [] },
  };
  const ROWS = [{ prompt: "a b", response: "c d" }];

  it("by a run: of the first step, and when they have changed", async () => {
    const { engine, model, info } = await create("fitted");
    const adapter = { owner: "test", name: "fitted" };
    const client = await connectThrough(engine);
    const steps: Extract<FitEvent, { type: "step" }>[] = [];
    for await (const event of client.stream("fit", { model, adapter, rows: ROWS, validation: [], options: FIT })) {
      if (event.type === "step") steps.push(event);
    }
    const told = steps.flatMap(({ step, ranks }) => (ranks ? [{ step, total: total(ranks) }] : []));
    const modules = steps[0]!.ranks!.length;
    // The budget shrinks after the steps 3 and 6, counted from 0: at 6, that of the end is reached.
    expect(told.map(({ step }) => step)).toEqual([1, 4, 7]);
    expect(told[0]!.total).toBe(4 * modules);
    expect(told.at(-1)!.total).toBe(2 * modules);
    expect(new Set(steps[0]!.ranks!.map(({ module, of }) => `${module.split(".").at(-1)} ${of}`))).toEqual(
      new Set(["query_key_value 4", "dense 4"]),
    );
    expect((await info()).ranks).toEqual(steps[6]!.ranks);
    // What the values say is what the run said.
    await client.call("writeAdapter", {
      model,
      adapter,
      tensors: await client.call("readAdapter", { model, adapter }),
    });
    expect((await info()).ranks).toEqual(steps[6]!.ranks);
  });

  it("by teaching", async () => {
    const { engine, model } = await create("taught");
    const adapter = { owner: "test", name: "taught" };
    const steps: Extract<TeachEvent, { type: "step" }>[] = [];
    const options = {
      ...{ steps: 12, lr: 1e-4, batchSize: 1, rehearsePerStep: 0, checkEvery: 12, extraSteps: 0, clip: 1 },
      ...{ weightDecay: 0, maxLength: 64, seed: 3, stop: [2] },
    };
    const rows = { lessons: ROWS, kept: [], rehearse: [] };
    for await (const event of engine.stream("teach", { model, adapter, rows, options })) {
      if (event.type === "step") steps.push(event);
    }
    expect(steps.flatMap(({ step, ranks }) => (ranks ? [step] : []))).toEqual([1, 4, 7]);
    expect(total(steps[6]!.ranks)).toBe(2 * steps[6]!.ranks!.length);
  });

  it("nothing, where none are given up", async () => {
    const subject = await open(small, "plain");
    const target = { model: subject.model, adapter: { owner: "test", name: "plain" } };
    const config = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["dense"] } as const;
    await subject.engine.call("createAdapter", { ...target, config, seed: 1 });
    expect(await subject.info()).not.toHaveProperty("ranks");
    expect(await subject.step([(await subject.gradients(batchAt(0))).handle])).not.toHaveProperty("ranks");
  });
});
