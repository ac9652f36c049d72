/** @file Folders that hang or end what reads them: pipes, endless files, files that are cut; against a real runtime. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, readdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readRows } from "../../src/data/read-files.ts";
import type { LoadParams } from "../../src/engine/engine.ts";
import { GREEDY } from "../../src/generate/sampler.ts";
import type { RemoteEngine } from "../../src/rpc/client.ts";
import { connectRuntime } from "../../src/runtime/connect.ts";
import type { RuntimeStatus } from "../../src/runtime/server.ts";

import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 300_000;
/** Milliseconds within which anything that cannot be read is refused, on a machine that does other things, too. */
const SOON = 8000;
const GROWN = 300e6;
const home = ownHome();
let model: string;
let engine: RemoteEngine;
let key: string;
let pid: number;

beforeAll(async () => {
  model = await writeSmallModel(join(home, "model"));
  for (const name of ["tokenizer_config.json", "generation_config.json"]) writeFileSync(join(model, name), "{}");
  engine = await connectRuntime();
  key = await load(model);
  ({ pid } = await status());
}, LONG);

afterAll(() => engine?.close());

const status = async (): Promise<RuntimeStatus> => (await engine.status()) as RuntimeStatus;

async function load(name: string, how: Partial<LoadParams> = {}): Promise<string> {
  const params = { name, device: "cpu", precision: "exact", quantize: "none", ...how } as const;
  for await (const event of engine.stream("load", params)) if (event.type === "ready") return event.model.key;
  throw new Error("not loaded");
}

async function logits(of: string): Promise<Float32Array> {
  return (await engine.call("logits", { model: of, inputIds: [[5, 6, 7]], adapter: null })).data;
}

/** Puts something in a file's place that cannot be read as one. */
const replacements: Readonly<Record<string, (path: string) => void>> = {
  "a named pipe": (path) => void execFileSync("mkfifo", [path]),
  "a link to a named pipe": (path) => {
    execFileSync("mkfifo", [`${path}.pipe`]);
    symlinkSync(`${path}.pipe`, path);
  },
  "a file without end": (path) => symlinkSync("/dev/zero", path),
  "a folder": (path) => mkdirSync(path),
  "a file of 100 GB": (path) => {
    writeFileSync(path, "");
    truncateSync(path, 100e9);
  },
};

/** The same process, which is no larger, and has given all of its threads back: it goes on reading files. */
async function goesOn(before: number): Promise<void> {
  const found = await status();
  expect(found.pid).toBe(pid);
  expect(found.memoryBytes - before).toBeLessThan(GROWN);
  const started = performance.now();
  expect(await load(model)).toBe(key);
  expect(performance.now() - started).toBeLessThan(SOON);
}

let copies = 0;
function copyOf(folder: string): string {
  const copy = join(home, `copy${++copies}`);
  cpSync(folder, copy, { recursive: true });
  return copy;
}

describe.each(Object.keys(replacements))("%s", (kind) => {
  const put = (folder: string, file: string): void => {
    rmSync(join(folder, file), { force: true });
    replacements[kind]?.(join(folder, file));
  };

  it("in place of any file of a model is refused or left out, soon", { timeout: LONG }, async () => {
    const before = (await status()).memoryBytes;
    const names = readdirSync(model);
    expect(names).toContain("tokenizer.model");
    // More of them than there are threads that read files.
    for (const name of [...names, ...names]) {
      const folder = copyOf(model);
      put(folder, name);
      const started = performance.now();
      const outcome = await load(folder).catch((error: unknown) => error);
      expect(performance.now() - started, name).toBeLessThan(SOON);
      if (typeof outcome === "string") expect(outcome, name).toBe(key);
      else expect(outcome, name).toMatchObject({ name: "GlmError", code: expect.stringMatching(/^model-/) });
    }
    await goesOn(before);
  });

  it("in place of any file of an adapter is refused by name, soon", { timeout: LONG }, async () => {
    const before = (await status()).memoryBytes;
    const adapter = { owner: "o", name: `saved-${copies}` };
    const config = { method: "lora", r: 2, alpha: 4, dropout: 0, targets: ["query_key_value"] } as const;
    const documents = { "facts.json": "[]" };
    await engine.call("createAdapter", { model: key, adapter, config, seed: 1, documents });
    const saved = join(home, `saved${copies}`);
    await engine.call("saveAdapter", { model: key, adapter, folder: saved });
    const names = readdirSync(saved);
    expect(names.sort()).toEqual(["adapter_config.json", "adapter_model.safetensors", "facts.json"]);
    for (const name of [...names, ...names, ...names]) {
      const folder = copyOf(saved);
      put(folder, name);
      const started = performance.now();
      await expect(
        engine.call("loadAdapter", {
          model: key,
          adapter: { ...adapter, name: "loaded" },
          folder,
          existing: "replace",
        }),
        name,
      ).rejects.toMatchObject({ name: "GlmError", message: expect.stringContaining(name) });
      expect(performance.now() - started, name).toBeLessThan(SOON);
    }
    await goesOn(before);
  });

  it("in place of training rows is refused by name, soon", async () => {
    const file = join(home, `rows-${copies++}.jsonl`);
    replacements[kind]?.(file);
    const started = performance.now();
    await expect(readRows(file)).rejects.toMatchObject({
      code: "data-invalid",
      message: expect.stringContaining(file),
    });
    expect(performance.now() - started).toBeLessThan(SOON);
  });
});

describe("a file that is cut while a model is mapped from it", { timeout: LONG }, () => {
  it.each([
    ["the checkpoint's own", {}],
    ["prepared weights", { quantize: "int4", precision: "fast" }],
  ] as const)("ends no process: %s", async (what, how) => {
    const folder = copyOf(model);
    // Another model, so that it is mapped from its own file.
    await writeSmallModel(folder, copies);
    const own = await load(folder, how);
    const before = await logits(own);
    const cache = join(home, "cache", "weights");
    const files =
      what === "prepared weights"
        ? readdirSync(cache, { recursive: true, encoding: "utf8" })
            .filter((name) => name.includes("int4") && name.endsWith("query_key_value.weight.safetensors"))
            .map((name) => join(cache, name))
        : [join(folder, "model.safetensors")];
    expect(files.length).toBeGreaterThan(0);
    for (const file of files) {
      await copyFile(file, `${file}.copy`);
      truncateSync(file, 100);
    }
    const cut = {
      name: "GlmError",
      code: "model-invalid",
      message: expect.stringMatching(/was cut while a model was using/),
    };
    await expect(logits(own)).rejects.toMatchObject(cut);
    await expect(
      engine
        .stream("generate", {
          model: own,
          rows: [{ ids: [5], adapter: null }],
          options: {
            maxNewTokens: 3,
            ...GREEDY,
            stop: [],
          },
        })
        .next()
        .then(async () => logits(own)),
    ).rejects.toMatchObject(cut);
    expect((await status()).pid).toBe(pid);
    expect(await logits(key)).toHaveLength(3 * 4160);
    for (const file of files) renameSync(`${file}.copy`, file);
    expect(await load(folder, how)).toBe(own);
    expect(await logits(own)).toEqual(before);
  });
});
