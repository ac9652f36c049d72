/** @file The shelf on a real folder: one live adapter a name, and nothing lost when the disk refuses. */
import { mkdtemp, readdir, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BaseModel, LoraConfig } from "../../src/adapters/adapter.ts";
import { AdapterRegistry } from "../../src/engine/adapter-registry.ts";
import { AdapterStore } from "../../src/engine/adapter-store.ts";
import { filled } from "../../src/tensor.ts";

const module = "transformer.encoder.layers.0.self_attention.dense";
const base: BaseModel = {
  parameters: [{ name: `${module}.weight`, shape: [6, 6] }],
  modules: [{ name: module, in: 6, out: 6 }],
  read: async () => filled([6, 6]),
};
const config: LoraConfig = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["dense"] };
const ref = { owner: "notebook", name: "one" };

let folder: string;
const shelf = (): AdapterRegistry => new AdapterRegistry(base, new AdapterStore(folder));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-shelf-"));
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
    await shelf().create(ref, config, 1);
    const restarted = shelf();
    const [first, second] = await Promise.all([restarted.find(ref), restarted.find(ref)]);
    expect(first).toBe(second);
  });

  test("refuses a kept adapter with a number that is none, which another can replace", async () => {
    const { adapter: live } = await shelf().create(ref, config, 1);
    const { adapter, tensors } = live;
    const [name = ""] = adapter.parameters.map((parameter) => parameter.name);
    tensors[name]!.data[7] = Number.NaN;
    await new AdapterStore(folder).keep(ref, {
      ...{ config, tensors, steps: 1, revision: 1, optimizers: new Map(), documents: {}, touched: true },
    });
    const restarted = shelf();
    await expect(restarted.find(ref)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining(`${name}: expected finite numbers, got NaN at [1,1]). Delete it`),
    });
    await restarted.create(ref, config, 1, { existing: "replace" });
    expect((await restarted.find(ref)).tensors[name]?.data.every(Number.isFinite)).toBe(true);
  });

  test("makes one adapter when two are created under one name at once", async () => {
    const both = shelf();
    const existing = "refuse" as const;
    const made = await Promise.allSettled([1, 2].map((seed) => both.create(ref, config, seed, { existing })));
    expect(made.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    expect(made[1]).toMatchObject({ reason: { code: "adapter-exists" } });
  });

  test("keeps the adapter that could not be replaced, and still writes it", async () => {
    const kept = shelf();
    const { adapter } = await kept.create(ref, config, 1);
    const repair = await breakDisk();
    await expect(kept.create(ref, config, 2, { existing: "replace" as const })).rejects.toThrow();
    await repair();
    expect(await kept.find(ref)).toBe(adapter);
    adapter.changed(7);
    await kept.settle();
    expect((await shelf().find(ref)).info(base).steps).toBe(7);
  });

  test("sets aside what was trained when its name is taken, once for the same values, and gives up what was not", async () => {
    const shelves = shelf();
    const made = async (seed: number, step: number): Promise<string | undefined> => {
      const { adapter, setAside } = await shelves.create(ref, config, seed);
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
    expect((await shelves.names("notebook")).sort()).toEqual(["one", "one.1", "one.2"]);
    const steps = async (name: string): Promise<number> => (await shelf().find({ ...ref, name })).info(base).steps;
    expect([await steps("one"), await steps("one.1"), await steps("one.2")]).toEqual([0, 5, 5]);
    const data = (await shelf().find({ ...ref, name: "one.1" })).copy();
    expect(Object.values(data).map((each) => each.data[0])).toEqual(Object.values(data).map(() => 5));
    expect(await shelves.create(ref, config, 1, { existing: "replace" })).not.toHaveProperty("setAside");
  });

  test("sets aside what only holds texts, and a name that is as long as names may be", async () => {
    const shelves = shelf();
    const long = { ...ref, name: "名".repeat(20).padEnd(64, "x") };
    await (await shelves.create(long, config, 1)).adapter.writeDocument("facts.json", "{}");
    await shelves.save(long, join(folder, "saved"), "base");
    const { setAside = "" } = await shelves.load(long, join(folder, "saved"));
    expect(setAside).toHaveLength(60);
    expect((await shelves.find({ ...ref, name: setAside })).documents).toEqual({ "facts.json": "{}" });
  });

  test("keeps what it cannot set aside", async () => {
    const shelves = shelf();
    const { adapter } = await shelves.create(ref, config, 1);
    adapter.changed(4);
    await shelves.settle();
    const repair = await breakDisk();
    await expect(shelves.create(ref, config, 2)).rejects.toThrow();
    await repair();
    expect(await shelves.find(ref)).toBe(adapter);
    expect((await shelf().find(ref)).info(base).steps).toBe(4);
  });

  test("has nothing of a disposed adapter, in memory or on disk", async () => {
    const disposing = shelf();
    await disposing.create(ref, config, 1);
    const [, found] = await Promise.allSettled([disposing.dispose(ref), disposing.find(ref)]);
    expect(found.status).toBe("fulfilled");
    await expect(disposing.find(ref)).rejects.toMatchObject({ code: "adapter-not-found" });
    const [owner = ""] = await readdir(folder);
    expect(await readdir(join(folder, owner))).toEqual([]);
  });

  test("tries again in the background what could not be written", async () => {
    const trying = shelf();
    const { adapter } = await trying.create(ref, config, 1);
    const repair = await breakDisk();
    adapter.changed(3);
    await expect(adapter.flush()).rejects.toThrow();
    await repair();
    await expect.poll(async () => (await shelf().find(ref)).info(base).steps, { timeout: 6000 }).toBe(3);
  }, 10_000);

  test("refuses tensors with too few or too many values before it changes any", async () => {
    const { adapter } = await shelf().create(ref, config, 1);
    const before = adapter.copy();
    const [[name, first] = [], [other, second] = []] = Object.entries(before);
    if (!name || !first || !other || !second) throw new Error("a LoRA has two tensors a module");
    const good = { ...first, data: first.data.map((value) => value + 1) };
    const short = { ...second, data: second.data.slice(1) };
    expect(() => adapter.write({ [name]: good, [other]: short })).toThrow(/expected 12 values/);
    expect(adapter.copy()).toEqual(before);
  });
});
