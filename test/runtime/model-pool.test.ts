/** @file Models share what can be shared, and what one worker's death does to the others and to the next question. */
import { describe, expect, it, vi } from "vitest";
import type { LoadEvent, LoadParams } from "../../src/engine/engine.ts";
import { ModelPool } from "../../src/runtime/model-pool.ts";
import { ReconnectingEngine } from "../../src/runtime/reconnecting-engine.ts";
import { type Disk, MemoryEngine } from "../engine/memory-engine.ts";
import { connectThrough, memoryWorker } from "../engine/ports.ts";

const params: LoadParams = { name: "memory", device: "cpu", precision: "exact", quantize: "none" };
const model = "memory-exact";
const adapter = { owner: "o", name: "a" };
const batch = { inputIds: [[5, 6]], labels: [[5, 6]] };

function pool(pace = 5): { pool: ModelPool; workers: ReturnType<typeof memoryWorker>[]; engines: MemoryEngine[] } {
  const workers: ReturnType<typeof memoryWorker>[] = [];
  const engines: MemoryEngine[] = [];
  const disk: Disk = new Map();
  const start = (): ReturnType<typeof memoryWorker> => {
    const engine = new MemoryEngine(disk, pace);
    const worker = memoryWorker(engine);
    engines.push(engine);
    workers.push(worker);
    return worker;
  };
  return { pool: new ModelPool(start), workers, engines };
}

async function read(events: AsyncIterable<LoadEvent>): Promise<LoadEvent[]> {
  const all: LoadEvent[] = [];
  for await (const event of events) all.push(event);
  return all;
}

describe("loading", () => {
  it("of one model by two at once is one load, which both follow", async () => {
    const { pool: models, engines } = pool();
    const both = await Promise.all([read(models.stream("load", params)), read(models.stream("load", params))]);
    for (const events of both) expect(events.at(-1)).toMatchObject({ type: "ready", model: { key: model } });
    for (const events of both) expect(events.length).toBeGreaterThan(1);
    expect(engines).toHaveLength(1);
    expect(engines[0]?.done.loads).toBe(1);
  });

  it("under another name for the same weights ends at the worker that has them", async () => {
    const { pool: models, engines } = pool();
    await read(models.stream("load", params));
    const again = await read(models.stream("load", { ...params, device: "auto" }));
    expect(again.at(-1)).toMatchObject({ type: "ready", model: { key: model, resident: true } });
    expect(await models.models()).toHaveLength(1);
    await read(models.stream("load", { ...params, device: "auto" }));
    expect(engines).toHaveLength(2);
    await read(models.stream("load", { ...params, precision: "fast" }));
    expect(await models.models()).toHaveLength(2);
  });

  it("of one model in two forms gives two models, also at once", async () => {
    const { pool: models } = pool();
    const forms = [params, { ...params, quantize: "int8" as const }];
    await Promise.all(forms.map((form) => read(models.stream("load", form))));
    for (const key of [model, `${model}-int8`]) {
      expect(await models.call("adapters", { model: key, owner: "o" })).toEqual([]);
    }
  });

  it("again, when the folder's content has changed, gives the new model and leaves the old one to its users", async () => {
    const { pool: models, engines } = pool();
    await read(models.stream("load", params));
    (engines[0] as MemoryEngine).content = "-new";
    const events = await read(models.stream("load", params));
    expect(events.at(-1)).toMatchObject({ type: "ready", model: { key: `${model}-new` } });
    for (const key of [model, `${model}-new`]) {
      expect(await models.call("adapters", { model: key, owner: "o" })).toEqual([]);
    }
    await models.call("unload", { model });
    expect((await models.models()).map((one) => one.model.key)).toEqual([`${model}-new`]);
    await models.call("unload", { model: `${model}-new` });
    expect(await models.models()).toEqual([]);
  });

  it("goes on when one of two leaves, and stops when both have", async () => {
    const { pool: models, engines } = pool(20);
    const [first, second] = [models.stream("load", params), models.stream("load", params)];
    await Promise.all([first.next(), second.next()]);
    await first.return();
    expect((await read(second)).at(-1)).toMatchObject({ type: "ready" });

    const left = models.stream("load", { ...params, precision: "fast" });
    await left.next();
    await left.return();
    const fresh = await read(models.stream("load", { ...params, precision: "fast" }));
    expect(fresh.at(-1)).toMatchObject({ type: "ready" });
    expect(engines).toHaveLength(3);
  });

  it("takes up runs of training once, in the worker that stays: not in another one that loaded the same weights", async () => {
    const { pool: models, engines } = pool();
    const ways = [params, { ...params, device: "auto" as const }, { ...params, family: undefined } as never];
    await Promise.all(ways.map((way) => read(models.stream("load", way))));
    await read(models.stream("load", params));
    expect(engines).toHaveLength(2);
    await vi.waitFor(() => expect(engines.flatMap(({ done }) => done.resumed)).toEqual([model]));
  });

  it("that fails is told to all, and leaves nothing behind", async () => {
    const { pool: models } = pool();
    const bad = { ...params, name: "none" };
    const both = await Promise.allSettled([read(models.stream("load", bad)), read(models.stream("load", bad))]);
    for (const one of both) expect(one).toMatchObject({ status: "rejected", reason: { code: "model-not-found" } });
    expect(await models.models()).toEqual([]);
  });
});

describe("a worker that dies", () => {
  it("is told to those who wait, and the next load starts another", async () => {
    const { pool: models, workers, engines } = pool(1000);
    engines.length = 0;
    const loading = read(models.stream("load", params));
    await vi.waitFor(() => expect(engines).toHaveLength(1));
    await new Promise((resolve) => setTimeout(resolve, 20));
    workers[0]?.kill();
    await expect(loading).rejects.toMatchObject({ name: "GlmError", code: "runtime-lost" });
    await expect(models.call("adapters", { model, owner: "o" })).rejects.toMatchObject({ code: "model-not-loaded" });
  });

  it("is replaced unseen when the client's engine is a lasting one; its gradients are gone and say so", async () => {
    const { pool: models, workers, engines } = pool(1);
    const lasting = new ReconnectingEngine(() => connectThrough(models));
    await read(lasting.stream("load", params));
    await lasting.call("createAdapter", { model, adapter, config: { method: "full" }, seed: 0 });
    const lost = await lasting.call("gradients", { model, adapter, batch, seed: 0 });
    workers[0]?.kill();
    await vi.waitFor(async () => expect(await models.models()).toEqual([]));
    const found = await lasting.call("adapters", { model, owner: "o" });
    expect(found.map(({ name }) => name)).toEqual(["a"]);
    expect(engines).toHaveLength(2);
    const fresh = await lasting.call("gradients", { model, adapter, batch, seed: 0 });
    expect(fresh.handle).not.toBe(lost.handle);
    const stale = lasting.call("readGradients", { model, handle: lost.handle });
    await expect(stale).rejects.toMatchObject({ code: "runtime-lost" });
    expect(await lasting.call("readGradients", { model, handle: fresh.handle })).toHaveProperty(["shift.weight"]);
  });

  it("leaves the other models alone", async () => {
    const { pool: models, workers } = pool(1);
    await read(models.stream("load", params));
    await read(models.stream("load", { ...params, precision: "fast" }));
    workers[0]?.kill();
    await vi.waitFor(async () => expect((await models.models()).map((one) => one.model.key)).toEqual(["memory-fast"]));
    expect(await models.call("adapters", { model: "memory-fast", owner: "o" })).toEqual([]);
  });
});
