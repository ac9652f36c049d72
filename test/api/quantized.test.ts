/** @file Quantised models in use: what they cost and count, adapters on them, what they are saved as, and what is refused. */
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { modelForm } from "../../src/engine/model-form.ts";
import { adamW, type ChatGLM, full, type LoadOptions, load, lora } from "../../src/index.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { readSafetensors, sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";
import { ownHome } from "../home.ts";
import { deviation, oracleFolder } from "../oracle.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 120_000;
const home = ownHome();
let folder: string;
const opened: ChatGLM[] = [];

beforeAll(async () => {
  folder = await writeSmallModel(join(home, "model"));
}, LONG);
afterAll(async () => {
  for (const glm of opened) await glm.dispose();
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

/** |a - b| / |b|, Euclidean norms. */
function distance(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
  return norm(Array.from(a, (value, i) => value - (b[i] as number))) / norm(b);
}

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

  it("merges what trained floats in float16, too, where codes would else be rounded, and refuses that if asked to", async () => {
    const glm = await open(folder, { quantize });
    const norms = await glm.createAdapter("norms-merged", full({ match: ["norm"] }));
    for await (const _ of norms.fit([{ prompt: "a", response: "b" }], { epochs: 2 }));
    const adapted = await logits(glm, "norms-merged");
    const saved = join(home, `norms-${bits}`);
    await glm.save(saved, { adapter: norms, quantized: "dequantize" });
    expect(config(saved)).not.toHaveProperty("quantization_bit");
    expect(deviation(await logits(await open(saved)), adapted)).toBeLessThan(2e-3);
    const refusing = glm.save(join(home, `never-${bits}`), { adapter: norms, quantized: "refuse" });
    if (bits === 8) await refusing;
    else await expect(refusing).rejects.toThrow("would be written with other numbers");
    await glm.save(join(home, `by-default-${bits}`), { adapter: norms });
    expect("quantization_bit" in config(join(home, `by-default-${bits}`))).toBe(bits === 8);
    await norms.dispose();
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
    const [published, here] = [await logits(again), await logits(glm)];
    // The published scheme has one scale a row; in 4 bits what is quantised here has one for each block, which is nearer.
    if (bits === 8) expect(published).toEqual(here);
    else {
      const floats = await logits(await open(folder));
      expect(distance(here, floats)).toBeLessThan(0.95 * distance(published, floats));
    }
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
    await expect(glm.createAdapter("packed", full({ match: ["mlp.dense"] }))).rejects.toThrow(
      "which the published code freezes with their biases",
    );
  });
});

describe.each(["exact", "fast"] as const)("saved from %s", { timeout: LONG }, (precision) => {
  it.each(["int4", "int8"] as const)("%s has the published code's codes and scales, bit for bit", async (quantize) => {
    const glm = await open(oracleFolder("chatglm2-6b-fp16-bin"), { quantize, precision });
    const saved = join(home, `${quantize}-${precision}`);
    await glm.save(saved);
    expect(config(saved)).toMatchObject({ quantization_bit: Number(quantize.slice(3)) });
    const [ours, published] = await Promise.all([saved, oracleFolder(`chatglm2-6b-${quantize}`)].map(openCheckpoint));
    const names = [...published!.tensors.keys()].filter((name) => !name.endsWith("inv_freq")).sort();
    expect([...ours!.tensors.keys()].sort()).toEqual(names);
    for (const name of names) {
      expect(await ours!.read(name), name).toEqual(await published!.read(name));
    }
  });
});

describe("numbers that are none", { timeout: LONG }, () => {
  const NAN = { float32: Number.NaN, float16: 0x7e00, bfloat16: 0xff80 } as const;
  /** A copy of a model in one file, with one number of a tensor replaced. */
  async function spoilt(model: string, name: string, at: number): Promise<string> {
    const place = mkdtempSync(join(home, "spoilt-"));
    cpSync(model, place, { recursive: true });
    const checkpoint = await openCheckpoint(model);
    for (const file of new Set([...checkpoint.tensors.values()].map(({ file }) => file)))
      rmSync(join(place, basename(file)));
    rmSync(join(place, "pytorch_model.bin.index.json"), { force: true });
    const tensors = await Promise.all(
      [...checkpoint.tensors.keys()].map(async (each) => {
        const value = await checkpoint.read(each);
        if (each === name) value.data[at] = NAN[value.dtype as keyof typeof NAN];
        return [each, value] as const;
      }),
    );
    await writeSafetensors(join(place, "model.safetensors"), sourcesOf(Object.fromEntries(tensors)));
    return place;
  }

  const down = "transformer.encoder.layers.1.mlp.dense_4h_to_h.weight";
  const table = "transformer.embedding.word_embeddings.weight";
  it.each([
    ["chatglm2-6b", down, 5, {}, "NaN at [0,5]"],
    ["chatglm2-6b", table, 20_479, {}, "NaN at [159,127]"],
    ["chatglm2-6b", down, 176, { quantize: "int8" }, "NaN at [1,0]"],
    ["chatglm2-6b", down, 177, { quantize: "int4" }, "NaN at [1,1]"],
    [
      "chatglm2-6b",
      "transformer.encoder.final_layernorm.weight",
      3,
      { quantize: "int4", precision: "fast" },
      "NaN at [3]",
    ],
    ["chatglm2-6b-fp16-bin", down, 178, {}, "NaN at [1,2]"],
    ["chatglm2-6b-fp16-bin", table, 0, {}, "NaN at [0,0]"],
    [
      "chatglm2-6b-fp16-bin",
      "transformer.output_layer.weight",
      1,
      { quantize: "int4", precision: "fast" },
      "NaN at [0,1]",
    ],
    ["chatglm2-6b-int4", `${down}_scale`, 2, {}, "NaN at [2]"],
    ["chatglm2-6b-int8", `${down}_scale`, 4, { precision: "fast" }, "NaN at [4]"],
  ] as const)("%s: %s at %i is refused, loaded with %j", async (model, name, at, options, said) => {
    const place = await spoilt(oracleFolder(model), name, at);
    await expect(open(place, options)).rejects.toMatchObject({
      code: "model-invalid",
      message: expect.stringContaining(`model.safetensors: ${name}: expected finite numbers, got ${said}`),
    });
  });

  it("are found in a file that has changed since it was checked", async () => {
    const place = await spoilt(folder, "none", 0);
    await open(place);
    const worse = await spoilt(place, table, 4160 * 16 + 7);
    // Its old content stays mapped.
    rmSync(join(place, "model.safetensors"));
    cpSync(join(worse, "model.safetensors"), join(place, "model.safetensors"));
    await expect(open(place)).rejects.toThrow(`${table}: expected finite numbers, got NaN at [2080,7]`);
  });

  it("are refused where the published scheme would make them of large ones", async () => {
    const place = await spoilt(folder, "none", 0);
    const { values } = await readSafetensors(join(place, "model.safetensors"));
    (values[down]!.data as Float32Array)[0] = 1e6;
    await writeSafetensors(join(place, "model.safetensors"), sourcesOf(values));
    await expect(open(place, { quantize: "int8" })).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringContaining(`${down}: expected numbers up to 65504`),
    });
    await open(place, { quantize: "int4" });
  });
});
