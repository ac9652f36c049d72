/** @file Which form each parameter gets, and what the published counts say of it, at the published models' sizes. */
import { describe, expect, it } from "vitest";
import { freeze, full } from "../../src/adapters/base-parameters.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { architectureOf, modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { type ChatGLMConfig, readConfig } from "../../src/models/config.ts";
import { type CheckpointContent, filedTensors, plannedBytes, planWeights } from "../../src/quantization/plan.ts";
import { planFolder } from "../../src/quantization/prepared-cache.ts";
import { filled, sizeOf } from "../../src/tensor.ts";

const chatglm6b = readConfig(
  {
    model_type: "chatglm",
    position_encoding_2d: true,
    num_layers: 28,
    hidden_size: 4096,
    inner_hidden_size: 16384,
    num_attention_heads: 32,
    vocab_size: 130528,
    max_sequence_length: 2048,
  },
  "ChatGLM-6B",
);

/** A float16 checkpoint that is only described. */
function given(config: ChatGLMConfig): CheckpointContent {
  const [parameters, modules] = [parametersOf(config), modulesOf(config)];
  const { embedding, head } = architectureOf(config);
  const stored = parameters.map(({ name, shape }) => {
    return { name, shape, dtype: "float16" as const, file: "/model", offset: 0, bytes: 2 * sizeOf(shape) };
  });
  return { parameters, modules, embedding, head, stored: new Map(stored.map((tensor) => [tensor.name, tensor])) };
}

describe("ChatGLM-6B in int4", () => {
  const model = given(chatglm6b);

  it("counts packed bytes and scales, as the published model does", () => {
    const count = (bits?: 4 | 8): number =>
      filedTensors(model, bits).reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    expect(count(4)).toBe(3_355_746_304);
    expect(count()).toBe(6_173_286_400);
  });

  it("trains 81,920 parameters where layers 23 to 27 are unfrozen: their norms", () => {
    const frozen = new Set(model.modules.flatMap(({ name }) => [`${name}.weight`, `${name}.bias`]));
    const base = { ...model, config: chatglm6b, frozen, read: async () => filled([1]) };
    const match = [23, 24, 25, 26, 27].map((layer) => `layers.${layer}.`);
    const { parameters } = freeze({ method: "freeze", layers: 5 }, base);
    expect(full({ method: "full", match }, base).parameters).toEqual(parameters);
    expect(parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0)).toBe(81_920);
    expect(parameters.every(({ name }) => name.includes("layernorm"))).toBe(true);
  });

  it("packs the four linear modules of each layer; the table, which is the head, stays float32", () => {
    const { matrices, converted, asStored, name, packs } = planWeights(
      "m",
      model,
      {
        quantize: "int4",
        precision: "exact",
      },
      cpu.can,
    );
    expect([name, packs, matrices.size, asStored.length]).toEqual(["int4-exact", true, 4 * 28, 0]);
    expect(new Set([...matrices.values()].map(({ form }) => form.name))).toEqual(new Set(["int4-exact"]));
    expect(converted.map(({ stored }) => stored.name)).toContain("transformer.word_embeddings.weight");
  });

  it("has the head in 8 bits for the fast kernels, and the table as it lies for the rows that are looked up", () => {
    const { matrices, asStored, converted } = planWeights("m", model, { quantize: "int4", precision: "fast" }, cpu.can);
    expect(matrices.get("transformer.word_embeddings.weight")?.form.name).toBe("int8-fast");
    expect(asStored.map((tensor) => tensor.name)).toEqual(["transformer.word_embeddings.weight"]);
    expect(converted.every(({ stored }) => stored.shape.length === 1)).toBe(true);
  });
});

it("exact 8 bits are the same on every machine: nothing is packed", () => {
  const plan = planWeights("m", given(chatglm6b), { quantize: "int8", precision: "exact" }, cpu.can);
  expect([plan.name, plan.packs]).toEqual(["int8-exact", false]);
  expect(planWeights("m", given(chatglm6b), { quantize: "int8", precision: "fast" }, cpu.can).packs).toBe(true);
});

it("refuses what cannot be: another number of bits than published, and floats that are fast", () => {
  const published = { ...given(chatglm6b), bits: 4 as const };
  expect(() => planWeights("m", published, { quantize: "int8", precision: "exact" }, cpu.can)).toThrow(
    "m: quantize: the model is published in int4, and cannot be made int8",
  );
  expect(planWeights("m", published, { quantize: "int4", precision: "exact" }, cpu.can).bits).toBe(4);
  expect(() => planWeights("m", given(chatglm6b), { quantize: "none", precision: "fast" }, cpu.can)).toThrow(
    'Add quantize: "int8" or "int4"',
  );
});

describe("floats on a GPU", () => {
  const gpu = { ...cpu.can, mapsFiles: false, float16: true };
  const model = given(chatglm6b);
  const tables = model.parameters.filter(({ shape }) => shape.length === 2).map(({ name }) => name);

  it("are float16 as they lie where that is asked for; norms are float32, with which nothing is multiplied at length", () => {
    const plan = planWeights("m", model, { quantize: "none", precision: "fast" }, gpu);
    expect([plan.name, plan.use, plan.packs]).toEqual(["float16", "uploaded", false]);
    expect(plan.asStored.map(({ name }) => name)).toEqual(expect.arrayContaining(tables));
    expect(plan.converted.every(({ stored: { name }, dtype }) => dtype === "float32" && /norm/.test(name))).toBe(true);
    expect(plannedBytes(plan) / 1e9).toBeCloseTo(12.3, 1);
  });

  it("are made float16 where the checkpoint has others", () => {
    const stored = [...model.stored].map(([name, one]) => [name, { ...one, dtype: "bfloat16" as const }] as const);
    const plan = planWeights("m", { ...model, stored: new Map(stored) }, { quantize: "none", precision: "fast" }, gpu);
    const halves = plan.converted.filter(({ dtype }) => dtype === "float16").map(({ stored: { name } }) => name);
    expect(halves).toEqual(expect.arrayContaining(tables));
    expect(plannedBytes(plan) / 1e9).toBeCloseTo(12.3, 1);
  });

  it("are float32 where exactness is asked for, but for rows that are only looked up", () => {
    const apart = { ...model, head: "lm_head", stored: new Map(model.stored) };
    const { name, asStored } = planWeights("m", apart, { quantize: "none", precision: "exact" }, gpu);
    expect(name).toBe("float32");
    expect(asStored.map((tensor) => tensor.name)).toEqual(["transformer.word_embeddings.weight"]);
    expect(planWeights("m", model, { quantize: "none", precision: "exact" }, gpu).asStored).toEqual([]);
  });
});

it("converts what lies at an address that its numbers cannot be read at", () => {
  const model = given(chatglm6b);
  const [name, table] = [...model.stored][0]!;
  const odd = { ...model, head: "elsewhere", stored: new Map([...model.stored, [name, { ...table, offset: 7 }]]) };
  const { asStored, converted } = planWeights("m", odd, { quantize: "none", precision: "exact" }, cpu.can);
  expect(asStored).toEqual([]);
  expect(converted[0]?.stored.name).toBe(name);
});

it("keeps files that are uploaded apart from those that a loaded model is mapped from", async () => {
  const model = given(chatglm6b);
  const gpu = { ...cpu.can, mapsFiles: false };
  for (const wanted of [
    { quantize: "none", precision: "exact" },
    { quantize: "int8", precision: "exact" },
    { quantize: "int4", precision: "fast" },
  ] as const) {
    const [mapped, uploaded] = [planWeights("m", model, wanted, cpu.can), planWeights("m", model, wanted, gpu)];
    expect(await planFolder("/cache", uploaded, undefined)).not.toBe(await planFolder("/cache", mapped, undefined));
    expect(uploaded.name).toBe(mapped.name);
  }
});
