/** @file Documents beside an adapter's tensors: they are saved, loaded, replaced and removed with it, or nothing is. */
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { AdapterConfig, AdapterTensors, BaseModel } from "../../src/adapters/adapter.ts";
import { readDocuments } from "../../src/adapters/documents.ts";
import { readAdapter, writeAdapter } from "../../src/adapters/files.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { filled } from "../../src/tensor.ts";
import { randomConfig } from "../random-weights.ts";
import { works } from "../works.ts";

const module = "transformer.encoder.layers.0.self_attention.dense";
const base: BaseModel = {
  parameters: [{ name: `${module}.weight`, shape: [6, 6] }],
  modules: [{ name: module, in: 6, out: 6 }],
  config: randomConfig("glm", 1, 1, 6),
  read: async () => filled([6, 6]),
};
const CONFIGS: readonly AdapterConfig[] = [
  { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["dense"] },
  { method: "full", match: ["dense"] },
];
const TEXT = '{"事实": "梦中情炉 🎈"}\r\n';
const documents = { "facts.json": TEXT };

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-documents-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function tensorsOf(config: AdapterConfig, value: number): Promise<AdapterTensors> {
  const tensors = await createAdapter(config, base).initialize(1);
  for (const { data } of Object.values(tensors)) data.fill(value);
  return tensors;
}

describe.each(CONFIGS)("an adapter of method $method", (config) => {
  test("comes back with its documents, to the last character", async () => {
    const tensors = await tensorsOf(config, 0.5);
    await writeAdapter(folder, { config, tensors, documents }, "m");
    expect(await readFile(join(folder, "facts.json"), "utf8")).toBe(TEXT);
    expect((await readdir(folder)).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors", "facts.json"]);
    const read = await readAdapter(folder, base);
    expect(read.documents).toEqual(documents);
    expect(read.tensors).toEqual(tensors);
  });

  test("without documents leaves none of an adapter that was there before, and all other files", async () => {
    await writeFile(join(folder, "notes.txt"), "mine");
    await writeAdapter(folder, { config, tensors: await tensorsOf(config, 1), documents }, "m");
    await writeAdapter(folder, { config, tensors: await tensorsOf(config, 2), documents: {} }, "m");
    expect((await readdir(folder)).sort()).toEqual(["adapter_config.json", "adapter_model.safetensors", "notes.txt"]);
    expect((await readAdapter(folder, base)).documents).toEqual({});
  });

  test("is whole as it was when a disk is full", async ({ skip }) => {
    const small = join(folder, "small");
    await mkdir(small);
    skip(!works("mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", small), "needs the right to mount a disk of 64 kB");
    try {
      const before = await tensorsOf(config, 1);
      await writeAdapter(small, { config, tensors: before, documents }, "m");
      const large = { "facts.json": "x".repeat(100_000) };
      const failing = writeAdapter(small, { config, tensors: await tensorsOf(config, 2), documents: large }, "m");
      await expect(failing).rejects.toMatchObject({ code: "disk", message: expect.stringMatching(/the disk is full/) });
      const read = await readAdapter(small, base);
      expect([read.tensors, read.documents]).toEqual([before, documents]);
    } finally {
      works("umount", small);
    }
  });

  test("is refused with a document that is no text, which the message names", async () => {
    await writeAdapter(folder, { config, tensors: await tensorsOf(config, 1), documents }, "m");
    await writeFile(join(folder, "facts.json"), Uint8Array.of(0x7b, 0xff, 0xfe));
    await expect(readAdapter(folder, base)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringMatching(/facts\.json: expected text in UTF-8, got bytes that are not UTF-8.*remove it/),
    });
    await rm(join(folder, "facts.json"));
    await mkdir(join(folder, "facts.json"));
    await expect(readAdapter(folder, base)).rejects.toMatchObject({ code: "adapter-invalid" });
  });
});

test("only files of known names are documents", async () => {
  await writeFile(join(folder, "other.json"), "{}");
  expect(await readDocuments(folder)).toEqual({});
  await writeFile(join(folder, "facts.json"), "");
  expect(await readDocuments(folder)).toEqual({ "facts.json": "" });
});
