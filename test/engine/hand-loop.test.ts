/** @file Training by hand where values stay on a device, against the same loop in ordinary memory. */
import { join } from "node:path";
import { afterEach, beforeAll, describe, expect, it } from "vitest";
import type { AdapterTensors, LoraConfig } from "../../src/adapters/adapter.ts";
import { cpu } from "../../src/backend/cpu.ts";
import type { Device } from "../../src/backend/device.ts";
import { only } from "../../src/backend/devices.ts";
import type { AdapterRef, Batch, Calls, GradientInfo } from "../../src/engine/engine.ts";
import { LocalEngine } from "../../src/engine/local.ts";
import { tensor } from "../../src/tensor.ts";
import type { FitOptions } from "../../src/train/fit-options.ts";
import { adamWConfig } from "../../src/train/optimizer.ts";
import { ownHome } from "../home.ts";
import { deviation } from "../oracle.ts";
import { type SeparateDevice, separateDevice } from "../separate-device.ts";
import { writeSmallModel } from "../small-model.ts";

const home = ownHome();
const engines: LocalEngine[] = [];
let folder: string;
beforeAll(async () => {
  folder = await writeSmallModel(join(home, "model"));
});
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.close()));
});

const LORA: LoraConfig = { method: "lora", r: 2, alpha: 4, dropout: 0.2, targets: ["query_key_value"] };
/** Two modules of LoRA: 32 inputs, 64 outputs. */
const ELEMENTS = 2 * 2 * (32 + 64);
const CONFIG = adamWConfig({ lr: 0.02, clip: 0.5, weightDecay: 0.1 });
const FIT: FitOptions = {
  ...{ epochs: 2, lr: 0.01, batchSize: 1, accumulate: 1, clip: 1, weightDecay: 0, scheduler: "constant", warmup: 0 },
  ...{ patience: 0, rehearse: [], rehearsePerBatch: 0, maxLength: 64, seed: 3, stop: [] },
};
const ROWS = [{ prompt: "a b", response: "c d" }];
const batches: Batch[] = [
  { inputIds: [[5, 6, 7, 3]], labels: [[-100, 6, 7, 3]] },
  { inputIds: [[8, 9, 4]], labels: [[-100, -100, 4]] },
];

type Step = Omit<Calls["optimizerStep"]["params"], "model" | "adapter">;

/** A loaded model, and what a loop says to it. */
interface Subject {
  readonly engine: LocalEngine;
  readonly model: string;
  create(name: string, existing?: "replace"): Promise<AdapterRef>;
  gradients(adapter: AdapterRef, seed: number, batch?: Batch): Promise<GradientInfo>;
  step(
    adapter: AdapterRef,
    handles: readonly number[],
    more?: Partial<Step>,
  ): Promise<Calls["optimizerStep"]["result"]>;
  values(adapter: AdapterRef): Promise<AdapterTensors>;
  fit(adapter: AdapterRef): Promise<void>;
}

async function on(device: Device, owner: string = device.name): Promise<Subject> {
  const engine = new LocalEngine(only(device));
  engines.push(engine);
  let model = "";
  const load = { name: folder, device: device.name, precision: "exact", quantize: "none" } as const;
  for await (const event of engine.stream("load", load)) if (event.type === "ready") model = event.model.key;
  return {
    engine,
    model,
    async create(name, existing) {
      const adapter = { owner, name };
      await engine.call("createAdapter", { model, adapter, config: LORA, seed: 1, ...(existing ? { existing } : {}) });
      return adapter;
    },
    gradients: (adapter, seed, batch = batches[0]!) => engine.call("gradients", { model, adapter, batch, seed }),
    step: (adapter, handles, more = {}) =>
      engine.call("optimizerStep", { model, adapter, optimizer: "o", config: CONFIG, handles, ...more }),
    values: (adapter) => engine.call("readAdapter", { model, adapter }),
    async fit(adapter) {
      for await (const _ of engine.stream("fit", { model, adapter, rows: ROWS, validation: [], options: FIT }));
    },
  };
}

/** What a loop comes to on the CPU and on the device. */
async function both<T>(
  loop: (subject: Subject, device?: SeparateDevice) => Promise<T>,
): Promise<[found: T, expected: T]> {
  const device = separateDevice();
  return [await loop(await on(device), device), await loop(await on(cpu))];
}

function expectSame(found: AdapterTensors, expected: AdapterTensors): void {
  expect(Object.keys(found)).toEqual(Object.keys(expected));
  for (const [name, { data, shape }] of Object.entries(expected)) {
    expect(found[name]?.shape).toEqual(shape);
    expect(deviation(found[name]?.data ?? [], data), name).toBeLessThan(1e-4);
  }
}

describe("a loop by hand", () => {
  it("takes the same steps, and of its gradients only the norm comes back", async () => {
    const [found, expected] = await both(async (subject, device) => {
      const adapter = await subject.create("looped");
      const told: number[] = [];
      device?.taken();
      for (let i = 0; i < 4; i += 1) {
        const parts = [await subject.gradients(adapter, i), await subject.gradients(adapter, i, batches[1])];
        const optimizer = i % 2 === 0 ? "even" : "odd";
        const handles = parts.map(({ handle }) => handle);
        const { gradientNorm, step, revision } = await subject.step(adapter, handles, { optimizer });
        told.push(...parts.map(({ loss }) => loss), gradientNorm, step, revision ?? Number.NaN);
        expect(parts.map((part) => part.revision)).toEqual([i, i]);
        expect(device?.taken() ?? { downloads: 0, results: 3 }).toEqual({ downloads: 0, results: 3 });
      }
      const values = await subject.values(adapter);
      await subject.values(adapter);
      expect(device?.taken().downloads ?? ELEMENTS).toBe(ELEMENTS);
      return { told, values };
    });
    expect(found.told).toHaveLength(expected.told.length);
    for (const [i, number] of expected.told.entries()) expect(found.told[i]).toBeCloseTo(number, 3);
    expectSame(found.values, expected.values);
  });

  it("has its gradients where it reads them, and their memory serves the next ones", async () => {
    const [found, expected] = await both(async (subject, device) => {
      const adapter = await subject.create("read");
      const { model, engine } = subject;
      const { handle } = await subject.gradients(adapter, 1);
      device?.taken();
      const read = await engine.call("readGradients", { model, handle });
      expect(device?.taken().downloads ?? ELEMENTS).toBe(ELEMENTS);
      const there = device?.tensors;
      // Released while they are read: who reads has them to the end.
      const [again] = await Promise.all([
        engine.call("readGradients", { model, handle }),
        engine.call("releaseGradients", { model, handle }),
        subject.gradients(adapter, 2).then((next) => engine.call("releaseGradients", { model, handle: next.handle })),
      ]);
      expect(again).toEqual(read);
      await expect(engine.call("readGradients", { model, handle })).rejects.toMatchObject({ code: "data-invalid" });
      const next = await subject.gradients(adapter, 1);
      // One set more was needed while both were there.
      if (device) expect(device.tensors - there!).toBe(4);
      await engine.call("releaseGradients", { model, handle: next.handle });
      return read;
    });
    expectSame(found, expected);
  });

  it("is asked, written, fitted and goes on between its steps, also with gradients from before", async () => {
    const [found, expected] = await both(async (subject) => {
      const adapter = await subject.create("between");
      const { model, engine } = subject;
      const seen: AdapterTensors[] = [];
      const [first, stale, staler] = [
        await subject.gradients(adapter, 1),
        await subject.gradients(adapter, 2),
        await subject.gradients(adapter, 3),
      ];
      await subject.step(adapter, [first.handle]);
      const values = await subject.values(adapter);
      const [name, { shape, data }] = Object.entries(values)[0]!;
      const written = {
        [name]: tensor(
          "float32",
          shape,
          data.map((value) => value + 0.1),
        ),
      };
      await engine.call("writeAdapter", { model, adapter, tensors: written });
      seen.push(await subject.values(adapter));
      expect((await subject.step(adapter, [stale.handle], { taken: 1 })).step).toBe(2);
      seen.push(await subject.values(adapter));
      await subject.fit(adapter);
      expect((await subject.step(adapter, [staler.handle], { taken: 2 })).step).toBe(3);
      seen.push(await subject.values(adapter));
      const logits = await engine.call("logits", { model, inputIds: [[5, 6]], adapter });
      await engine.call("mergeAdapter", { model, adapter });
      const merged = await engine.call("logits", { model, inputIds: [[5, 6]], adapter });
      expect(deviation(merged.data, logits.data)).toBeLessThan(1e-4);
      await expect(subject.gradients(adapter, 1)).rejects.toMatchObject({ code: "adapter-invalid" });
      return { seen, logits };
    });
    for (const [i, values] of expected.seen.entries()) expectSame(found.seen[i]!, values);
    expect(deviation(found.logits.data, expected.logits.data)).toBeLessThan(1e-3);
  });

  it("may ask for everything at once", async () => {
    const [found, expected] = await both(async (subject) => {
      const adapter = await subject.create("at-once");
      const handles = await Promise.all(
        [1, 2, 3, 4].map(async (seed) => (await subject.gradients(adapter, seed)).handle),
      );
      const [, , , ...others] = await Promise.all([
        subject.step(adapter, [handles[0]!]),
        subject.step(adapter, [handles[1]!, handles[2]!]),
        subject.step(adapter, [handles[3]!, handles[3]!], { optimizer: "other" }),
        subject.values(adapter),
        subject.gradients(adapter, 5),
        subject.engine.call("adapterInfo", { model: subject.model, adapter }),
      ]);
      expect(others).toHaveLength(3);
      await expect(subject.step(adapter, [handles[3]!])).rejects.toMatchObject({ code: "data-invalid" });
      // One after the other, whoever came first: both take the same handle, and one of them is too late.
      const { handle } = await subject.gradients(adapter, 6);
      const taken = await Promise.allSettled([subject.step(adapter, [handle]), subject.step(adapter, [handle])]);
      expect(taken.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
      return subject.values(adapter);
    });
    expectSame(found, expected);
  });

  it("may go on while the adapter is fitted, but for its steps", async () => {
    const [found, expected] = await both(async (subject) => {
      const adapter = await subject.create("fitted");
      const { model, engine } = subject;
      const before = await subject.gradients(adapter, 1);
      await subject.step(adapter, [before.handle]);
      const losses: number[] = [];
      const options = { ...FIT, epochs: 3 };
      const held: number[] = [];
      for await (const event of engine.stream("fit", { model, adapter, rows: ROWS, validation: [], options })) {
        if (event.type !== "step") continue;
        const { loss, handle } = await subject.gradients(adapter, 7);
        losses.push(event.loss, loss);
        held.push(handle);
        const refused = { code: "adapter-invalid", message: expect.stringContaining("being trained") };
        await expect(subject.step(adapter, [handle])).rejects.toMatchObject(refused);
      }
      expect((await subject.step(adapter, held, { taken: 1 })).step).toBe(2);
      return { losses, values: await subject.values(adapter) };
    });
    for (const [i, loss] of expected.losses.entries()) expect(found.losses[i]).toBeCloseTo(loss, 3);
    expectSame(found.values, expected.values);
  });

  it("refuses gradients of others and those that are no numbers, and changes nothing", async () => {
    const [found, expected] = await both(async (subject) => {
      const [adapter, other] = [await subject.create("own"), await subject.create("other")];
      const told: string[] = [];
      const refused = async (handles: readonly number[]) => {
        const error = await subject.step(adapter, handles).catch((error: Error) => error);
        told.push((error as Error).message);
      };
      const strange = await subject.gradients(other, 1);
      await refused([strange.handle]);
      await refused([]);
      await refused([12345]);
      const old = await subject.gradients(adapter, 1);
      const anew = await subject.create("own", "replace");
      await refused([old.handle]);
      const huge = await subject.values(anew);
      for (const { data } of Object.values(huge)) data.fill(1e30);
      await subject.engine.call("writeAdapter", { model: subject.model, adapter: anew, tensors: huge });
      const broken = await subject.gradients(anew, 1);
      await refused([broken.handle]);
      await refused([broken.handle]);
      expectSame(await subject.values(anew), huge);
      return told;
    });
    expect(found).toEqual(expected);
    expect(found.at(-1)).toContain("got NaN or infinity");
  });
});

describe("a device's memory", () => {
  it("is given back by adapters that are deleted, replaced or unloaded, with their gradients", async () => {
    const device = separateDevice();
    const subject = await on(device, "memory");
    const { model, engine } = subject;
    const before = device.tensors;
    const [one, two] = [await subject.create("one"), await subject.create("two")];
    const handles: number[] = [];
    for (const adapter of [one, two]) {
      const [used, unused] = [await subject.gradients(adapter, 1), await subject.gradients(adapter, 2)];
      await subject.step(adapter, [used.handle]);
      handles.push(unused.handle);
    }
    const full = device.tensors - before;
    await engine.call("disposeAdapter", { model, adapter: one });
    expect(device.tensors - before).toBe(full / 2);
    await subject.create("two", "replace");
    expect(device.tensors).toBe(before);
    for (const handle of handles) {
      await expect(engine.call("readGradients", { model, handle })).rejects.toMatchObject({ code: "data-invalid" });
      await engine.call("releaseGradients", { model, handle });
    }
    const { handle } = await subject.gradients(two, 1);
    await subject.step(two, [handle]);
    await subject.gradients(two, 1);
    await engine.call("unload", { model });
    expect(device.tensors).toBe(0);
  });

  it("has the values of the two adapters that were trained last; the others go on where they were", async () => {
    const device = separateDevice();
    const [subject, plain] = [await on(device, "few"), await on(cpu, "few-too")];
    const before = device.tensors;
    const names = ["a", "b", "c"];
    const adapters = await Promise.all(names.map((name) => subject.create(name)));
    const steps = async (one: Subject, adapter: AdapterRef, seed: number): Promise<void> => {
      const { handle } = await one.gradients(adapter, seed);
      await one.step(adapter, [handle], { taken: seed });
    };
    await steps(subject, adapters[0]!, 0);
    const alone = device.tensors - before;
    for (const seed of [0, 1, 2]) {
      await Promise.all(adapters.slice(seed === 0 ? 1 : 0).map((adapter) => steps(subject, adapter, seed)));
    }
    await expect.poll(() => device.tensors - before).toBe(2 * alone);
    for (const [i, name] of names.entries()) {
      const same = await plain.create(name);
      for (const seed of [0, 1, 2]) await steps(plain, same, seed);
      expectSame(await subject.values(adapters[i]!), await plain.values(same));
    }
  });

  it("is not given back under a step, whether others need room or the model is unloaded", async () => {
    const device = separateDevice();
    const subject = await on(device, "under");
    const adapters = await Promise.all(["a", "b", "c"].map((name) => subject.create(name)));
    /** A step that goes on only when something else has had its time. */
    const meanwhile = async (adapter: AdapterRef, other: () => Promise<unknown>): Promise<unknown> => {
      const { handle } = await subject.gradients(adapter, 1);
      let go = (): void => undefined;
      const gate = new Promise<void>((resolve) => (go = resolve));
      let begun = (): void => undefined;
      const inside = new Promise<void>((resolve) => (begun = resolve));
      device.before = async (outputs) => {
        if (!outputs.includes("new values")) return;
        begun();
        await gate;
      };
      const stepping = subject.step(adapter, [handle]);
      await inside;
      const done = other();
      await new Promise((resolve) => setTimeout(resolve, 400));
      go();
      return (await Promise.all([stepping, done]))[0];
    };
    const [one, ...others] = adapters;
    const room = () => Promise.all(others.map((adapter) => subject.gradients(adapter, 1)));
    expect(await meanwhile(one!, room)).toMatchObject({ step: 1 });
    expect(await subject.step(one!, [(await subject.gradients(one!, 2)).handle], { taken: 1 })).toMatchObject({
      step: 2,
    });
    const unload = () => subject.engine.call("unload", { model: subject.model, force: true });
    expect(await meanwhile(one!, unload)).toMatchObject({ step: 3 });
    expect(device.tensors).toBe(0);
  });

  it("goes with the device: what was read last stays", async () => {
    const device = separateDevice();
    const subject = await on(device, "lost");
    const { model, engine } = subject;
    const adapter = await subject.create("one");
    await subject.step(adapter, [(await subject.gradients(adapter, 0)).handle]);
    const read = await subject.values(adapter);
    await subject.step(adapter, [(await subject.gradients(adapter, 1)).handle]);
    const { handle } = await subject.gradients(adapter, 2);
    device.isLost = true;
    await expect(subject.gradients(adapter, 3)).rejects.toMatchObject({ code: "device-lost" });
    await expect.poll(() => device.tensors).toBe(0);
    await expect(subject.step(adapter, [handle])).rejects.toMatchObject({ code: "device-lost" });
    expect(await subject.values(adapter)).toEqual(read);
    expect(await engine.call("adapterInfo", { model, adapter })).toMatchObject({ steps: 1, revision: 1 });
    device.isLost = false;
    await expect(
      subject.step(adapter, [(await subject.gradients(adapter, 4)).handle], { taken: 2 }),
    ).rejects.toMatchObject({
      code: "runtime-lost",
    });
  });
});

it("an optimiser goes on after its model was loaded anew", async () => {
  const [found, expected] = await both(async (subject, device) => {
    const adapter = await subject.create("kept");
    for (const seed of [0, 1]) await subject.step(adapter, [(await subject.gradients(adapter, seed)).handle]);
    await subject.engine.call("unload", { model: subject.model });
    const again = await on(device ?? cpu);
    const { handle } = await again.gradients(adapter, 2);
    expect(await again.step(adapter, [handle], { taken: 2 })).toMatchObject({ step: 3, revision: 3 });
    return again.values(adapter);
  });
  expectSame(found, expected);
});
