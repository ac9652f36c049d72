/** @file Quantised models in use: what they cost and count, adapters on them, what they are saved as, and what is refused. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { modelForm } from "../../src/engine/model-form.ts";
import { adamW, type ChatGLM, full, type LoadOptions, load, lora } from "../../src/index.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { deviation } from "../oracle.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 120_000;
let home: string;
let folder: string;
const opened: ChatGLM[] = [];

beforeAll(async () => {
  home = mkdtempSync(join(tmpdir(), "glm-quantized-"));
  vi.stubEnv("GLMLAB_DATA", join(home, "data"));
  vi.stubEnv("GLMLAB_CACHE", join(home, "cache"));
  folder = await writeSmallModel(join(home, "model"));
}, LONG);
afterAll(async () => {
  for (const glm of opened) await glm.dispose();
  vi.unstubAllEnvs();
  rmSync(home, { recursive: true, force: true });
});

async function open(from: string, options: LoadOptions = {}): Promise<ChatGLM> {
  const glm = await load(from, { runtime: "none", ...options });
  opened.push(glm);
  return glm;
}

const ids = [
  [5, 900, 31, 7, 2000, 11],
  [8, 9, 10, 4000, 3, 2],
];
const logits = async (glm: ChatGLM, adapter?: string): Promise<ArrayLike<number>> =>
  (await glm.logits(ids, adapter === undefined ? {} : { adapter })).data;

/** Two optimiser steps on two rows. */
async function trained(glm: ChatGLM, name: string, targets = ["query_key_value", "dense_h_to_4h"]): Promise<number[]> {
  const adapter = await glm.createAdapter(name, lora({ r: 4, targets }));
  const optimizer = adamW({ lr: 0.02 });
  const losses: number[] = [];
  for (let step = 0; step < 3; step += 1) {
    const { loss, gradients } = await adapter.gradients({ inputIds: ids, labels: ids });
    losses.push(loss);
    await optimizer.step(adapter, gradients);
  }
  return losses;
}

const config = (at: string): Record<string, unknown> => JSON.parse(readFileSync(join(at, "config.json"), "utf8"));

describe.each([8, 4] as const)("int%i", { timeout: LONG }, (bits) => {
  const quantize = `int${bits}` as const;

  it("answers nearly as the floats do, and the fast kernels nearly as the exact ones", async () => {
    const floats = await logits(await open(folder));
    const exact = await logits(await open(folder, { quantize }));
    const fast = await logits(await open(folder, { quantize, precision: "fast" }));
    const off = deviation(exact, floats);
    expect(off).toBeGreaterThan(1e-4);
    // Random weights without any structure: 4 bits leave little more than the order of magnitude.
    const bound = bits === 8 ? 0.05 : 1;
    expect(off).toBeLessThan(bound);
    expect(deviation(fast, floats)).toBeLessThan(bound);
    expect(fast).not.toEqual(exact);
  });

  it("counts bytes of packed codes and scales, as the published summaries do", async () => {
    const glm = await open(folder, { quantize });
    expect(glm.info).toMatchObject({ quantize, precision: "exact" });
    const [hidden, ffn, vocabulary, qkv] = [32, 48, 4160, 64];
    const matrices = [qkv * hidden, hidden * hidden, 2 * ffn * hidden, hidden * ffn].map((size) => (size * bits) / 8);
    const scales = [qkv, hidden, 2 * ffn, hidden];
    const layer = [...matrices, ...scales, qkv, 2 * hidden].reduce((sum, size) => sum + size, 0);
    const all = 2 * layer + hidden + 2 * vocabulary * hidden;
    expect(glm.info.parameters.reduce((sum, { count }) => sum + count, 0)).toBe(all);
    const adapter = await glm.createAdapter("counted", lora({ r: 4 }));
    expect(String(adapter.summary())).toContain(
      `all params: ${(all + 2 * 4 * (hidden + qkv)).toLocaleString("en-US")}`,
    );
  });

  it("trains an adapter, alike in exact and fast", async () => {
    const [exact, fast] = [await open(folder, { quantize }), await open(folder, { quantize, precision: "fast" })];
    const losses = await trained(exact, "learner");
    expect(losses[2]).toBeLessThan(0.9 * (losses[0] as number));
    // Each holds its own weights: what one learned the other does not know.
    await expect(fast.adapter("learner")).rejects.toMatchObject({ code: "adapter-not-found" });
    expect((await trained(fast, "learner"))[2]).toBeLessThan(0.9 * (losses[0] as number));
  });

  it("merges an adapter by saving dequantised weights in float16", async () => {
    const glm = await open(folder, { quantize });
    await trained(glm, "merged");
    const before = await logits(glm, "merged");
    const adapter = await glm.adapter("merged");
    await adapter.merge();
    expect(await logits(glm)).toEqual(before);
    const saved = join(home, `merged-${bits}`);
    await glm.save(saved);
    expect(config(saved)).not.toHaveProperty("quantization_bit");
    const { tensors } = await openCheckpoint(saved);
    expect(tensors.get("transformer.encoder.layers.0.mlp.dense_4h_to_h.weight")?.dtype).toBe("float16");
    expect(deviation(await logits(await open(saved)), before)).toBeLessThan(2e-3);
    await adapter.dispose();
  });

  it("is saved in the published format, which loads to the same answers", async () => {
    const glm = await open(folder, { quantize });
    const saved = join(home, `published-${bits}`);
    await glm.save(saved);
    expect(config(saved)).toMatchObject({ quantization_bit: bits });
    const again = await open(saved);
    expect(again.info.quantize).toBe(quantize);
    expect([modelForm(glm.info), modelForm(again.info)]).toEqual([
      `${quantize}, exact`,
      `${quantize} as published, exact`,
    ]);
    expect(await logits(again)).toEqual(await logits(glm));
    // What is published is saved as it is.
    const twice = join(home, `twice-${bits}`);
    await again.save(twice);
    expect(readFileSync(join(twice, "model.safetensors"))).toEqual(readFileSync(join(saved, "model.safetensors")));
    await expect(load(saved, { runtime: "none", quantize: bits === 8 ? "int4" : "int8" })).rejects.toThrow(
      `published in int${bits}, and cannot be made int${bits === 8 ? 4 : 8}`,
    );
  });

  it("trains the floats that are left, and says so where there are none", async () => {
    const glm = await open(folder, { quantize });
    const norms = await glm.createAdapter("norms", full({ match: ["layers.1."] }));
    expect(norms.parameters().map(({ name }) => name.split(".").at(-2))).toEqual([
      "input_layernorm",
      "post_attention_layernorm",
    ]);
    const { loss, gradients } = await norms.gradients({ inputIds: ids, labels: ids });
    expect(loss).toBeGreaterThan(0);
    const values = Object.values(await gradients.read()).flatMap(({ data }) => [...data]);
    expect(values.some((value) => value !== 0)).toBe(true);
    await expect(glm.createAdapter("packed", full({ match: ["mlp.dense"] }))).rejects.toThrow("cannot train");
  });
});

it("refuses to save blocks, which have no published format", { timeout: LONG }, async () => {
  const glm = await open(folder, { quantize: "int4", precision: "fast" });
  await expect(glm.save(join(home, "blocks"))).rejects.toThrow('Load it with precision "exact" to save it');
  const rows = await open(folder, { quantize: "int8", precision: "fast" });
  await rows.save(join(home, "rows"));
  expect(config(join(home, "rows"))).toMatchObject({ quantization_bit: 8 });
});
