/** @file Kept adapters on a real disk: long names, files that are damaged or somebody else's, and who may read them. */
import { execFileSync } from "node:child_process";
import { chmod, mkdir, mkdtemp, readdir, readFile, rename, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { BaseModel, LoraConfig } from "../../src/adapters/adapter.ts";
import { AdapterRegistry } from "../../src/engine/adapter-registry.ts";
import { AdapterStore } from "../../src/engine/adapter-store.ts";
import { filled } from "../../src/tensor.ts";
import { readSafetensors, sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";
import { randomConfig } from "../random-weights.ts";

const module = "transformer.encoder.layers.0.self_attention.dense";
const base: BaseModel = {
  parameters: [{ name: `${module}.weight`, shape: [6, 6] }],
  modules: [{ name: module, in: 6, out: 6 }],
  config: randomConfig("glm", 1, 1, 6),
  read: async () => filled([6, 6]),
};
const config: LoraConfig = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["dense"] };
const owner = "notebook";
const ref = { owner, name: "one" };

let folder: string;
const shelf = (): AdapterRegistry => new AdapterRegistry(base, new AdapterStore(folder));
const ownerFolder = async (): Promise<string> => join(folder, (await readdir(folder))[0] as string);
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-store-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** As if the process had started anew. */
const names = (): Promise<string[]> => shelf().names(owner);

describe("names of kept adapters", () => {
  test.each([
    ["25 Chinese characters", "梦".repeat(25)],
    ["64 Chinese characters", "炉".repeat(64)],
    ["64 letters beyond the first plane", "𠀀".repeat(64)],
    ["64 Latin letters", "x".repeat(64)],
  ])("of %s are kept, found, listed and deleted", async (_what, name) => {
    const { adapter: first } = await shelf().create({ owner, name }, config, 1);
    first.changed(3);
    await first.settle();
    expect(await names()).toEqual([name]);
    const again = shelf();
    const found = await again.find({ owner, name });
    expect(found.info(base)).toMatchObject({ name, steps: 3 });
    expect(found.tensors).toEqual(first.tensors);
    expect((await again.list(owner)).map((info) => info.name)).toEqual([name]);
    await again.dispose({ owner, name });
    expect(await names()).toEqual([]);
    expect(await readdir(await ownerFolder())).toEqual([]);
  });

  test("that differ at their end only are different adapters", async () => {
    const many = ["甲", "乙", "丙"].map((end) => "梦".repeat(63) + end);
    for (const [i, name] of many.entries()) await shelf().create({ owner, name }, config, i);
    expect((await names()).sort()).toEqual([...many].sort());
    const tensors = await Promise.all(many.map(async (name) => (await shelf().find({ owner, name })).tensors));
    expect(tensors[0]).not.toEqual(tensors[1]);
  });

  test("of earlier versions, whose files have them whole, are still found", async () => {
    const name = "梦中情炉-v1.2_x";
    await shelf().create({ owner, name }, config, 5);
    expect(await readdir(await ownerFolder())).toEqual([`${encodeURIComponent(name)}.safetensors`]);
  });
});

describe("files that are no kept adapters", () => {
  test.each(["100%.safetensors", "%E6%A2.safetensors", "a b.safetensors", "~x.safetensors", ".safetensors", "x.txt"])(
    "do not break lists, loading or making: %s",
    async (stray) => {
      await shelf().create(ref, config, 1);
      await writeFile(join(await ownerFolder(), stray), "anything");
      expect(await names()).toEqual(["one"]);
      expect((await shelf().list(owner)).map(({ name }) => name)).toEqual(["one"]);
      await shelf().create({ owner, name: "two" }, config, 1);
      expect((await names()).sort()).toEqual(["one", "two"]);
    },
  );

  test.each(["fifo", "folder", "endless", "dangling"])("hang nothing: a %s in an adapter's place", async (kind) => {
    await shelf().create(ref, config, 1);
    const place = join(await ownerFolder(), "two.safetensors");
    if (kind === "fifo") execFileSync("mkfifo", [place]);
    if (kind === "folder") await mkdir(place);
    if (kind === "endless") await symlink("/dev/zero", place);
    if (kind === "dangling") await symlink("/nowhere/at/all", place);
    const two = { owner, name: "two" };
    expect((await shelf().list(owner)).map(({ name }) => name)).toEqual(["one"]);
    await expect(shelf().find(two)).rejects.toMatchObject({
      name: "GlmError",
      code: "adapter-invalid",
      message: expect.stringMatching(/^adapter two: .*two\.safetensors.*Delete it and train it again/s),
    });
    if (kind === "folder") {
      await expect(shelf().dispose(two)).rejects.toMatchObject({ code: "disk", message: /Remove it by hand/ });
      expect((await stat(place)).isDirectory()).toBe(true);
      return;
    }
    await shelf().dispose(two);
    expect(await names()).toEqual(["one"]);
  });
});

describe("a damaged adapter", () => {
  const damages: Readonly<Record<string, (file: string) => Promise<void>>> = {
    "cut short": async (file) => writeFile(file, (await readFile(file)).subarray(0, 300)),
    empty: (file) => writeFile(file, ""),
    garbled: async (file) => writeFile(file, (await readFile(file)).fill(0x20, 8, 60)),
    "of another format": (file) => rewritten(file, { format: "another" }),
    "without configuration": (file) => rewritten(file, { config: "{" }),
    "of an unknown method": (file) => rewritten(file, { config: '{"method":"constructor"}' }),
    "of a strange configuration": (file) => rewritten(file, { config: JSON.stringify({ ...config, targets: 5 }) }),
    "with steps that are none": (file) => rewritten(file, { steps: "many" }),
    "with documents elsewhere": (file) => rewritten(file, { documents: '{"../../evil":"x"}' }),
    "with documents that are no JSON": (file) => rewritten(file, { documents: "[" }),
    "of another model": (file) => rewritten(file, {}, { strange: filled([2, 2]) }),
  };

  async function rewritten(file: string, change: Record<string, string>, tensors?: object): Promise<void> {
    const { values, metadata } = await readSafetensors(file);
    await writeSafetensors(file, sourcesOf({ ...(tensors ?? values) }), { ...metadata, ...change });
  }

  test.each(Object.keys(damages))("that is %s is told of by name, and can be deleted and replaced", async (damage) => {
    await shelf().create(ref, config, 1);
    await shelf().create({ owner, name: "other" }, config, 1);
    const file = join(await ownerFolder(), "one.safetensors");
    await damages[damage]?.(file);
    await expect(shelf().find(ref)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringMatching(/^adapter one: what was kept .*Delete it and train it again/s),
    });
    expect((await shelf().list(owner)).map(({ name }) => name)).toEqual(["other"]);
    await expect(shelf().create(ref, config, 1, { existing: "refuse" })).rejects.toMatchObject({
      code: "adapter-exists",
    });
    const replacing = shelf();
    await replacing.create(ref, config, 7, { existing: "replace" });
    expect((await shelf().find(ref)).config).toEqual((await replacing.find(ref)).config);
    await damages[damage]?.(file);
    await shelf().dispose(ref);
    await expect(shelf().find(ref)).rejects.toMatchObject({ code: "adapter-not-found" });
    expect(await names()).toEqual(["other"]);
  });

  test("of a long name can be deleted by that name, and by the one that it is listed under", async () => {
    const long = { owner, name: "梦".repeat(64) };
    for (const by of ["name", "listed"]) {
      await shelf().create(long, config, 1);
      const [file = ""] = await readdir(await ownerFolder());
      await writeFile(join(await ownerFolder(), file), "damaged");
      const [listed = ""] = await names();
      await shelf().dispose(by === "name" ? long : { owner, name: listed });
      expect(await names()).toEqual([]);
    }
  });
});

test("what is kept can be read by its owner alone, whatever the umask", async () => {
  const before = process.umask(0o022);
  try {
    await rm(folder, { recursive: true });
    const made = shelf();
    await made.create(ref, config, 1);
    const file = join(await ownerFolder(), "one.safetensors");
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(await ownerFolder())).mode & 0o777).toBe(0o700);
    // As earlier versions left it.
    await chmod(file, 0o644);
    (await made.find(ref)).changed(1);
    await made.settle();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
  } finally {
    process.umask(before);
  }
});

test("an adapter whose file was given another name is none of that name", async () => {
  await shelf().create(ref, config, 1);
  const own = await ownerFolder();
  await rename(join(own, "one.safetensors"), join(own, "one copy.safetensors"));
  expect(await names()).toEqual([]);
});
