/** @file The registry on a real folder: one live adapter a name, and nothing lost when the disk refuses. */
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AdapterEffect, BaseModel, LoraConfig } from "../../src/adapters/adapter.ts";
import { AdapterRegistry } from "../../src/engine/adapter-registry.ts";
import { AdapterStore } from "../../src/engine/adapter-store.ts";
import { filled } from "../../src/tensor.ts";
import { randomConfig } from "../random-weights.ts";

const module = "transformer.encoder.layers.0.self_attention.dense";
const base: BaseModel = {
  parameters: [{ name: `${module}.weight`, shape: [6, 6] }],
  modules: [{ name: module, in: 6, out: 6 }],
  config: randomConfig("glm", 1, 1, 6),
  read: async () => filled([6, 6]),
};
const config: LoraConfig = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["dense"] };
const ref = { owner: "notebook", name: "one" };

let folder: string;
const registry = (): AdapterRegistry => new AdapterRegistry(base, new AdapterStore(folder));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-registry-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** Nothing can be written where a file takes the folder's place; returns how to undo that. */
async function breakDisk(): Promise<() => Promise<void>> {
  const aside = `${folder}-aside`;
  await rename(folder, aside);
  await writeFile(folder, "");
  return async () => {
    await rm(folder);
    await rename(aside, folder);
  };
}

describe("AdapterRegistry", () => {
  test("gives everybody the same adapter after a restart", async () => {
    await registry().create(ref, config, 1);
    const restarted = registry();
    const [first, second] = await Promise.all([restarted.find(ref), restarted.find(ref)]);
    expect(first).toBe(second);
  });

  test("refuses a kept adapter with a number that is none, which another can replace", async () => {
    const { adapter: live } = await registry().create(ref, config, 1);
    const { adapter, tensors } = live;
    const [name = ""] = adapter.parameters.map((parameter) => parameter.name);
    tensors[name]!.data[7] = Number.NaN;
    await new AdapterStore(folder).keep(ref, {
      ...{ config, tensors, steps: 1, revision: 1, optimizers: new Map(), documents: {}, touched: true },
    });
    const restarted = registry();
    await expect(restarted.find(ref)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining(`${name}: expected finite numbers, got NaN at [1,1]). Delete it`),
    });
    await restarted.create(ref, config, 1, { existing: "replace" });
    expect((await restarted.find(ref)).tensors[name]?.data.every(Number.isFinite)).toBe(true);
  });

  test("makes one adapter when two are created under one name at once", async () => {
    const both = registry();
    const existing = "refuse" as const;
    const made = await Promise.allSettled([1, 2].map((seed) => both.create(ref, config, seed, { existing })));
    expect(made.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(made[1]).toMatchObject({ reason: { code: "adapter-exists" } });
  });

  test("keeps the adapter that could not be replaced, and still writes it", async () => {
    const kept = registry();
    const { adapter } = await kept.create(ref, config, 1);
    const repair = await breakDisk();
    await expect(kept.create(ref, config, 2, { existing: "replace" as const })).rejects.toMatchObject({ code: "disk" });
    await repair();
    expect(await kept.find(ref)).toBe(adapter);
    adapter.changed(7);
    await kept.settle();
    expect((await registry().find(ref)).info(base).steps).toBe(7);
  });

  test("sets aside what was trained when its name is taken, once for the same values, and gives up what was not", async () => {
    const adapters = registry();
    const made = async (seed: number, step: number): Promise<string | undefined> => {
      const { adapter, setAside } = await adapters.create(ref, config, seed);
      if (step === 0) return setAside;
      for (const { data } of Object.values(adapter.tensors)) data[0] = step;
      adapter.changed(step);
      return setAside;
    };
    expect(await made(1, 0)).toBeUndefined();
    expect(await made(1, 5)).toBeUndefined();
    expect(await made(2, 5)).toBe("one.1");
    // Of another seed: other values.
    expect(await made(2, 5)).toBe("one.2");
    expect(await made(2, 0)).toBe("one.2");
    expect(await made(3, 0)).toBeUndefined();
    expect((await adapters.names("notebook")).sort()).toEqual(["one", "one.1", "one.2"]);
    const steps = async (name: string): Promise<number> => (await registry().find({ ...ref, name })).info(base).steps;
    expect([await steps("one"), await steps("one.1"), await steps("one.2")]).toEqual([0, 5, 5]);
    const data = (await registry().find({ ...ref, name: "one.1" })).copy();
    expect(Object.values(data).map((each) => each.data[0])).toEqual(Object.values(data).map(() => 5));
    expect(await adapters.create(ref, config, 1, { existing: "replace" })).not.toHaveProperty("setAside");
  });

  test("sets aside what only holds texts, and a name that is as long as names may be", async () => {
    const adapters = registry();
    const long = { ...ref, name: "名".repeat(20).padEnd(64, "x") };
    await (await adapters.create(long, config, 1)).adapter.writeDocument("facts.json", "{}");
    await adapters.save(long, join(folder, "saved"), "base");
    const { setAside = "" } = await adapters.load(long, join(folder, "saved"));
    expect(setAside).toHaveLength(60);
    expect((await adapters.find({ ...ref, name: setAside })).documents).toEqual({ "facts.json": "{}" });
  });

  test("saves over nobody's files but its own, unless that is wanted", async () => {
    const adapters = registry();
    const [one, other] = [ref, { ...ref, name: "other" }];
    for (const each of [one, other]) await adapters.create(each, config, 1);
    const [place, models] = [join(folder, "saved"), join(folder, "model")];
    const bytes = (): Promise<Buffer> => readFile(join(place, "adapter_model.safetensors"));
    for (let time = 0; time < 2; time += 1) await adapters.save(one, place, "base");
    const before = await bytes();
    await expect(adapters.save(other, place, "base")).rejects.toMatchObject({
      code: "option-invalid",
      message: expect.stringMatching(
        /one that other was saved to, got .*saved, which holds the adapter one\..*--replace/,
      ),
    });
    expect(await bytes()).toEqual(before);
    // What was loaded from there may go back; it does not say whose it is where PEFT wrote it.
    await adapters.load(other, place);
    await adapters.save(other, place, "base");
    await rm(join(place, "adapter_model.safetensors"));
    await expect(adapters.save(one, place, "base")).rejects.toThrow(/holds an adapter\./);
    await adapters.save(one, place, "base", { replace: true });
    await adapters.save(one, place, "base");
    await mkdir(models);
    await writeFile(join(models, "model.safetensors"), "");
    await expect(adapters.save(one, models, "base")).rejects.toThrow(/holds a model \(model\.safetensors\)/);
    expect(await readdir(models)).toEqual(["model.safetensors"]);
    await adapters.save(one, models, "base", { replace: true });
    await adapters.save({ ...one, name: "one" }, join(folder, "none", "yet"), "base");
  });

  test("keeps what it cannot set aside", async () => {
    const adapters = registry();
    const { adapter } = await adapters.create(ref, config, 1);
    adapter.changed(4);
    await adapters.settle();
    const repair = await breakDisk();
    await expect(adapters.create(ref, config, 2)).rejects.toMatchObject({ code: "disk" });
    await repair();
    expect(await adapters.find(ref)).toBe(adapter);
    expect((await registry().find(ref)).info(base).steps).toBe(4);
  });

  test("takes a folder that cannot be listed for no empty one: what was trained there stays", async () => {
    await registry().create(ref, config, 1);
    const restarted = registry();
    const repair = await breakDisk();
    const refused = { code: "disk", message: expect.stringContaining("cannot be listed") };
    for (const existing of ["refuse", undefined] as const)
      await expect(restarted.create(ref, config, 2, { existing })).rejects.toMatchObject(refused);
    await expect(restarted.find(ref)).rejects.toMatchObject(refused);
    await repair();
    expect((await restarted.find(ref)).ref).toEqual(ref);
  });

  test("lists what is kept without bringing it into memory", async () => {
    const made = registry();
    const { adapter } = await made.create(ref, config, 1);
    adapter.changed(3);
    await adapter.writeDocument("facts.json", "[]");
    const restarted = registry();
    expect(await restarted.list("notebook")).toEqual([{ ...adapter.info(base) }]);
    expect(await restarted.list("notebook")).toMatchObject([{ steps: 3, documents: ["facts.json"], merged: false }]);
    expect(await restarted.resident()).toEqual([]);
  });

  test("keeps what an adapter's user should know over a restart, in memory, in lists and where it is set aside", async () => {
    const adapters = registry();
    await adapters.create(ref, config, 1);
    const sum = { ...ref, name: "sum" };
    const { adapter } = await adapters.combine(sum, [{ adapter: ref, weight: 0.5 }]);
    const note = "It is what 0.5*one was.";
    expect(adapter.info(base)).toMatchObject({ note });
    const restarted = registry();
    expect(await restarted.list(ref.owner)).toContainEqual(expect.objectContaining({ name: "sum", note }));
    expect((await restarted.find(sum)).info(base)).toMatchObject({ note });
    const { setAside } = await restarted.create(sum, config, 1);
    expect(setAside).toBe("sum.1");
    expect((await registry().find({ ...sum, name: "sum.1" })).info(base)).toMatchObject({ note });
  });

  test("settles for good only when nobody trains, also not since it was asked", async () => {
    const made = registry();
    const [{ adapter: one }, { adapter: other }] = [
      await made.create(ref, config, 1),
      await made.create({ ...ref, name: "other" }, config, 1),
    ];
    const given = new AbortController();
    const end = await one.access.beginTraining(given.signal);
    given.abort();
    const settling = made.settleForGood();
    const endOther = await other.access.beginTraining();
    end();
    await expect(settling).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining("other"),
    });
    endOther();
    // Neither was closed.
    one.write(await one.copy());
    other.write(await other.copy());
    await made.settleForGood();
    const values = await one.copy();
    expect(() => one.write(values)).toThrow("unloaded meanwhile");
  });

  test("keeps a text only in the place of the one that its writer knows", async () => {
    const { adapter } = await registry().create(ref, config, 1);
    await adapter.writeDocument("facts.json", "first", null);
    await expect(adapter.writeDocument("facts.json", "second", null)).rejects.toMatchObject({
      code: "adapter-changed",
    });
    await expect(adapter.writeDocument("facts.json", "second", "other")).rejects.toThrow("was changed meanwhile");
    expect(adapter.documents).toEqual({ "facts.json": "first" });
    await adapter.writeDocument("facts.json", "second", "first");
    const repair = await breakDisk();
    await expect(adapter.writeDocument("facts.json", "third", "second")).rejects.toMatchObject({ code: "disk" });
    expect(adapter.documents).toEqual({ "facts.json": "second" });
    await repair();
  });

  test("gives nobody the name that means the base model", async () => {
    await expect(registry().create({ ...ref, name: "none" }, config, 1)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining('not "none", which means the base model'),
    });
  });

  test("has nothing of a disposed adapter, in memory or on disk", async () => {
    const disposing = registry();
    await disposing.create(ref, config, 1);
    const [, found] = await Promise.allSettled([disposing.dispose(ref), disposing.find(ref)]);
    expect(found.status).toBe("fulfilled");
    await expect(disposing.find(ref)).rejects.toMatchObject({ code: "adapter-not-found" });
    const [owner = ""] = await readdir(folder);
    expect(await readdir(join(folder, owner))).toEqual([]);
  });

  test("tells of effects that adapters no longer have: they learnt, were merged, replaced or deleted", async () => {
    const over: AdapterEffect[] = [];
    const told = new AdapterRegistry(base, new AdapterStore(folder), { over: (effect) => void over.push(effect) });
    const { adapter } = await told.create(ref, config, 1);
    const learning = await adapter.effect();
    expect(await adapter.effect()).toBe(learning);
    expect(over).toEqual([]);
    adapter.changed(1);
    const learnt = await adapter.effect();
    await adapter.merge(base);
    const merged = await adapter.effect();
    const { adapter: next } = await told.create(ref, config, 2);
    const last = await next.effect();
    await told.dispose(ref);
    expect(over).toHaveLength(4);
    for (const [i, effect] of [learning, learnt, merged, last].entries()) expect(over[i]).toBe(effect);
    // Whoever has it in hand still is answered.
    const late = await next.effect();
    expect(late.lowRank?.size).toBe(1);
  });

  test("tries again in the background what could not be written", async () => {
    const trying = registry();
    const { adapter } = await trying.create(ref, config, 1);
    const repair = await breakDisk();
    adapter.changed(3);
    await expect(adapter.flush()).rejects.toMatchObject({ code: "disk" });
    await repair();
    await expect.poll(async () => (await registry().find(ref)).info(base).steps, { timeout: 30_000 }).toBe(3);
  }, 40_000);

  test("refuses tensors with too few or too many values before it changes any", async () => {
    const { adapter } = await registry().create(ref, config, 1);
    const before = await adapter.copy();
    const [[name, first] = [], [other, second] = []] = Object.entries(before);
    if (!name || !first || !other || !second) throw new Error("a LoRA has two tensors a module");
    const good = { ...first, data: first.data.map((value) => value + 1) };
    const short = { ...second, data: second.data.slice(1) };
    expect(() => adapter.write({ [name]: good, [other]: short })).toThrow(/expected 12 values/);
    expect(await adapter.copy()).toEqual(before);
  });
});
