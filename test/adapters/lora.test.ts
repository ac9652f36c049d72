/** @file All that LoRA can be, against PEFT's numbers: DoRA, tables as targets, modules that train whole, patterns. */
import { readFileSync } from "node:fs";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdapterEffect, AdapterTensors, BaseModel, LoraConfig } from "../../src/adapters/adapter.ts";
import { readAdapter, writeAdapter } from "../../src/adapters/files.ts";
import { lora } from "../../src/adapters/lora.ts";
import { mustMerge } from "../../src/adapters/merging.ts";
import { cpu } from "../../src/backend/cpu.ts";
import { ForwardModel } from "../../src/generate/model.ts";
import { gradients } from "../../src/graph/gradient.ts";
import { mul, reduceSum } from "../../src/graph/ops.ts";
import type { Value } from "../../src/graph/value.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { readConfig } from "../../src/models/config.ts";
import { type BindWeights, floatWeights } from "../../src/models/context.ts";
import { normals, randomStream } from "../../src/random.ts";
import { type FloatTensor, filled, sizeOf, type Tensor, tensor } from "../../src/tensor.ts";
import { adamW, adamWConfig } from "../../src/train/optimizer.ts";
import { trainingProgram } from "../../src/train/program.ts";
import { openCheckpoint } from "../../src/weights/checkpoint.ts";
import { readSafetensors, sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";
import { evaluate } from "../graph/run.ts";
import { deviation, floats, oracleConfig, oracleFolder, rowsOf } from "../oracle.ts";
import { heldModel } from "../quantized-model.ts";
import { randomConfig } from "../random-weights.ts";

const made = join(import.meta.dirname, "../fixtures/peft/glm");
const CASES = ["dora", "dora-rslora", "tables", "dora-tables", "saved", "regex", "all-linear", "some", "gaussian"];

interface Model {
  readonly base: BaseModel;
  readonly weights: BindWeights;
}

async function modelIn(
  folder: string,
  config = readConfig(JSON.parse(readFileSync(join(folder, "config.json"), "utf8")), "model"),
): Promise<Model> {
  const checkpoint = await openCheckpoint(folder);
  const read = async (name: string) => (await checkpoint.read(name)) as FloatTensor;
  return {
    base: { parameters: parametersOf(config), modules: modulesOf(config), config, read },
    weights: floatWeights((graph, name) => {
      const { dtype, shape, ...range } = checkpoint.tensors.get(name)!;
      return graph.weight(name, dtype, shape, range);
    }),
  };
}

const small = await modelIn(join(made, "model"));

/** Logits of whole rows, one run for all: [rows · tokens, vocabulary]. */
async function logitsOf(
  { base, weights }: Model,
  ids: readonly number[][],
  effects: readonly (AdapterEffect | undefined)[],
) {
  const model = new ForwardModel(base.config, weights, cpu);
  const adapters = await model.lease(effects);
  const cache = model.newCache(ids.length, 16);
  const positions = Array.from(ids[0]!, (_, i) => i);
  const logits = await model.run({ rows: ids.map((row) => ({ ids: row, from: 0 })), positions, adapters, cache });
  const found = Float32Array.from(logits.data);
  adapters.release();
  await model.dispose();
  return found;
}

/** What a merged adapter makes of the base. */
async function mergedEffect(config: LoraConfig, tensors: AdapterTensors, { base }: Model): Promise<AdapterEffect> {
  const adapter = lora(config, base);
  const overrides = new Map<string, FloatTensor>();
  for (const name of adapter.mergeTargets) overrides.set(name, adapter.merge(tensors, name, await base.read(name)));
  return { overrides };
}

/** Values that something was learnt in. */
async function trained(config: LoraConfig, { base }: Model, seed = 3): Promise<AdapterTensors> {
  const tensors = await lora(config, base).initialize(seed);
  for (const [name, { data }] of Object.entries(tensors)) {
    const noise = normals(randomStream(seed, "noise", name), data.length, 0.1);
    for (let i = 0; i < data.length; i += 1) data[i] = data[i]! + noise[i]!;
  }
  return tensors;
}

const plain = { method: "lora", r: 2, alpha: 4, dropout: 0 } as const;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-lora-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe.each(CASES)("%s", (name) => {
  const expectedTensors = async () => (await readSafetensors(join(made, name, "expected.safetensors"))).values;

  it("has PEFT's loss, gradients and steps", async () => {
    const { config, tensors } = await readAdapter(join(made, name), small.base);
    const expected = JSON.parse(readFileSync(join(made, name, "expected.json"), "utf8"));
    const values = await expectedTensors();
    const adapter = lora(config as LoraConfig, small.base);
    expect(adapter.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0)).toBe(expected.trainable);
    const program = await trainingProgram(small.base.config, adapter, small.weights, cpu);
    const batch = { inputIds: rowsOf(values.input_ids!), labels: rowsOf(values.labels!) };
    const first = await program.gradients(batch, tensors, 0);
    expect(first.loss).toBeCloseTo(expected.loss, 5);
    const named = (own: string) => `gradient of ${own}`;
    const references = Object.entries(values).filter(([key]) => key.startsWith("gradient of "));
    expect(references).toHaveLength(adapter.parameters.length);
    for (const { name: own } of adapter.parameters) {
      const reference = values[named(own)] ?? values[named(`${own}.weight`)];
      expect(deviation(first.gradients[own]!.data, floats(reference)), own).toBeLessThan(1e-5);
    }
    const state = adamW.init(tensors);
    const losses: number[] = [];
    for (let step = 0; step < 3; step += 1) {
      const { loss, gradients: found } = await program.gradients(batch, tensors, 0);
      losses.push(loss);
      adamW.update(adamWConfig({ lr: 5e-3, clip: 1, weightDecay: 0.01 }), state, tensors, found);
    }
    losses.push((await program.loss(batch, tensors)).loss);
    await program.dispose();
    for (const [i, loss] of losses.entries()) expect(loss, `step ${i}`).toBeCloseTo(expected.losses[i], 4);
  });

  it("has PEFT's logits, also merged, and is written as it was read", async () => {
    const read = await readAdapter(join(made, name), small.base);
    const config = read.config as LoraConfig;
    const values = await expectedTensors();
    const ids = rowsOf(values.input_ids!);
    const effect = await lora(config, small.base).forInference(read.tensors);
    const adapted = await logitsOf(small, ids, [effect, effect]);
    expect(deviation(adapted, floats(values.logits))).toBeLessThan(1e-5);
    const merged = await mergedEffect(config, read.tensors, small);
    expect(deviation(await logitsOf(small, ids, [merged, merged]), floats(values.logits))).toBeLessThan(1e-5);
    await writeAdapter(folder, read, "a/model");
    const again = await readAdapter(folder, small.base);
    expect({ ...again, note: read.note }).toEqual({ ...read, note: read.note });
    const [ours, theirs] = [folder, join(made, name)].map((place) =>
      readSafetensors(join(place, "adapter_model.safetensors")),
    );
    expect((await ours!).values).toEqual((await theirs!).values);
    const json = async (place: string) => JSON.parse(await readFile(join(place, "adapter_config.json"), "utf8"));
    const [mine, reference] = [await json(folder), await json(join(made, name))];
    for (const key of ["use_dora", "use_rslora", "modules_to_save", "r", "lora_alpha", "bias", "init_lora_weights"]) {
      expect(mine[key], key).toEqual(reference[key]);
    }
  });
});

it("PiSSA that PEFT converted is a plain LoRA", async () => {
  const { config, tensors } = await readAdapter(join(made, "converted"), small.base);
  const { values } = await readSafetensors(join(made, "converted", "expected.safetensors"));
  const effect = await lora(config as LoraConfig, small.base).forInference(tensors);
  const ids = rowsOf(values.input_ids!);
  expect(deviation(await logitsOf(small, ids, [effect, effect]), floats(values.logits))).toBeLessThan(1e-5);
});

describe("a new one changes nothing, bit for bit in the same graph", () => {
  it.each([
    ["dora", { ...plain, targets: "all-linear", dora: true, bias: "lora_only" }],
    ["tables", { ...plain, targets: ["word_embeddings", "output_layer"] }],
    ["dora on tables", { ...plain, targets: ["embedding", "lm_head", "q_proj"], dora: true }],
    ["gaussian", { ...plain, targets: ["q_proj"], init: "gaussian" }],
  ] as const)("%s", async (_, config) => {
    const fresh = await lora(config, small.base).forInference(await lora(config, small.base).initialize(1));
    const other = await lora(config, small.base).forInference(await trained(config, small));
    const ids = [3, 4, 5, 6].map((first) => [first, 7, 8, 9, 3]);
    // Rows in one run: another adapter's, the new one's, none.
    const logits = await logitsOf(small, [ids[0]!, ids[1]!, ids[1]!], [other, fresh, undefined]);
    const size = logits.length / 3;
    expect(logits.subarray(size, 2 * size)).toEqual(logits.subarray(2 * size));
    const alone = await logitsOf(small, [ids[0]!], [other]);
    expect(deviation(logits.subarray(0, size), alone)).toBeLessThan(1e-6);
    expect(deviation(await logitsOf(small, [ids[0]!], [undefined]), alone)).toBeGreaterThan(1e-3);
  });

  it("modules that train whole begin with the base's values", async () => {
    const config = { ...plain, targets: ["q_proj"], modulesToSave: ["post_attention_layernorm", "o_proj"] };
    const adapter = lora(config, small.base);
    const effect = await adapter.forInference(await adapter.initialize(0));
    expect([...effect.overrides!.keys()]).toContain("model.layers.1.self_attn.o_proj.weight");
    for (const [name, { data }] of effect.overrides!) expect(data).toEqual((await small.base.read(name)).data);
  });
});

it("rows of one batch have DoRA, tables, plain LoRA and nothing", async () => {
  const configs: LoraConfig[] = [
    { ...plain, targets: ["q_proj", "down_proj"], dora: true },
    { ...plain, r: 1, targets: ["word_embeddings", "q_proj"] },
    { ...plain, r: 3, targets: ["embed_tokens", "lm_head"], dora: true },
    { ...plain, targets: ["o_proj"] },
  ];
  const effects: (AdapterEffect | undefined)[] = [undefined];
  for (const config of configs) effects.push(await lora(config, small.base).forInference(await trained(config, small)));
  const ids = effects.map((_, i) => [3 + i, 5, 9, 4]);
  const together = await logitsOf(small, ids, effects);
  const size = together.length / effects.length;
  for (const [i, effect] of effects.entries()) {
    const alone = await logitsOf(small, [ids[i]!], [effect]);
    expect(deviation(together.subarray(i * size, (i + 1) * size), alone), `row ${i}`).toBeLessThan(1e-6);
  }
});

it("drops what PEFT's DoRA drops", async () => {
  const { values } = await readSafetensors(join(made, "dora-dropout.safetensors"));
  const config = randomConfig("glm", 1, 1, 6);
  const base: BaseModel = {
    parameters: [],
    modules: [{ name: "lin", in: 6, out: 4 }],
    config,
    read: async () => values.weight as FloatTensor,
  };
  const adapter = lora({ ...plain, alpha: 3, dropout: 0.5, targets: ["lin"], dora: true }, base);
  const [a, b, m] = adapter.parameters.map(({ name }) => name) as [string, string, string];
  const numbers = { ...adapter.numbers, ...(await adapter.measured!.read()) };
  const fed = {
    [a]: values.a!,
    [b]: values.b!,
    [m]: values.m!,
    ...numbers,
    x: values.x!,
    mask: values.mask!,
    dy: values.dy!,
  };
  const results = await evaluate(
    (graph) => {
      const input = new Map<string, Value>(
        Object.entries(fed).map(([name, { shape }]) => [name, graph.input(name, "float32", shape)]),
      );
      const weights = floatWeights((_, name) => {
        const { shape, data } = (name === "lin.bias" ? values.bias : values.weight) as FloatTensor;
        return graph.constant("float32", shape, data);
      });
      const { context } = adapter.applyToTraining(weights(graph), input, (x) => mul(x, input.get("mask")!));
      const y = context.linear(input.get("x")!, "lin", { bias: true });
      const loss = reduceSum(mul(y, input.get("dy")!), [0, 1], false);
      const [da, db, dm] = gradients(
        loss,
        [a, b, m].map((name) => input.get(name)!),
      ) as [Value, Value, Value];
      return { y, da, db, dm };
    },
    fed as Record<string, Tensor>,
  );
  for (const key of ["y", "da", "db", "dm"])
    expect(deviation(results[key]!, floats(values[key])), key).toBeLessThan(1e-5);
});

describe("ChatGLM-6B, whose table is its output layer", async () => {
  const model = await modelIn(oracleFolder("chatglm-6b"), oracleConfig("chatglm-6b"));
  const { prefixIds } = model.base.config;
  const ids = [[5, 6, prefixIds!.gmask, prefixIds!.sop, 7, 8]];

  it.each([["word_embeddings"], ["lm_head"]])("%s alone is adapted, and cannot be merged", async (target) => {
    const config = { ...plain, targets: [target] };
    const adapter = lora(config, model.base);
    const tensors = await trained(config, model);
    const effect = await adapter.forInference(tensors);
    const [found, none] = [await logitsOf(model, ids, [effect]), await logitsOf(model, ids, [undefined])];
    expect(deviation(found, none)).toBeGreaterThan(1e-3);
    // A training graph sees the same.
    const program = await trainingProgram(model.base.config, adapter, model.weights, cpu);
    const { loss } = await program.loss({ inputIds: ids, labels: [[-100, -100, -100, -100, 7, 8]] }, tensors);
    await program.dispose();
    const width = model.base.config.vocabulary;
    const nll = [
      [3, 7],
      [4, 8],
    ].map(([at, token]) => {
      const row = found.subarray(at! * width, (at! + 1) * width);
      const largest = Math.max(...row);
      return Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0)) + largest - row[token!]!;
    });
    expect(loss).toBeCloseTo((nll[0]! + nll[1]!) / 2, 4);
    expect(() => mustMerge("dream", adapter)).toThrow(/one table: it cannot be merged/);
  });

  it("both are adapted apart, and train whole in neither way", () => {
    const adapter = lora({ ...plain, targets: ["lm_head", "word_embeddings"] }, model.base);
    expect(adapter.parameters.map(({ name }) => name)).toEqual([
      "base_model.model.transformer.word_embeddings.lora_embedding_A",
      "base_model.model.transformer.word_embeddings.lora_embedding_B",
      "base_model.model.lm_head.lora_A.weight",
      "base_model.model.lm_head.lora_B.weight",
    ]);
    expect(() => lora({ ...plain, targets: ["dense"], modulesToSave: ["lm_head"] }, model.base)).toThrow(/one table/);
  });
});

describe("on a base in fewer bits", () => {
  it.each(["int8", "int4"] as const)("DoRA in %s: as trained, as answered with, as merged", async (quantize) => {
    const cache = await mkdtemp(join(tmpdir(), "glmlab-lora-held-"));
    try {
      const config = oracleConfig("chatglm2-6b");
      const model = await heldModel(oracleFolder("chatglm2-6b"), config, { quantize, precision: "exact" }, cache);
      const options: LoraConfig = { ...plain, targets: ["query_key_value", "dense_4h_to_h"], dora: true };
      const adapter = lora(options, model.base);
      const tensors = await trained(options, model);
      const ids = [[5, 6, 7, 8, 9]];
      const adapted = await logitsOf(model, ids, [await adapter.forInference(tensors)]);
      expect(
        deviation(adapted, await logitsOf(model, ids, [await mergedEffect(options, tensors, model)])),
      ).toBeLessThan(1e-4);
      const program = await trainingProgram(config, adapter, model.weights, cpu);
      const { loss } = await program.gradients({ inputIds: ids, labels: [[-100, -100, -100, -100, 9]] }, tensors, 0);
      await program.dispose();
      const row = adapted.subarray(3 * config.vocabulary, 4 * config.vocabulary);
      const largest = Math.max(...row);
      const nll = Math.log(row.reduce((sum, x) => sum + Math.exp(x - largest), 0)) + largest - row[9]!;
      expect(loss).toBeCloseTo(nll, 4);
    } finally {
      await rm(cache, { recursive: true });
    }
  });
});

describe("targets", () => {
  const targeted = (targets: LoraConfig["targets"]): string[] =>
    lora({ ...plain, targets }, small.base).parameters.flatMap(
      ({ name }) => /^base_model\.model\.(.*)\.lora_(?:embedding_)?A/.exec(name)?.[1] ?? [],
    );

  it("are lists, patterns for whole names, or all that is linear", () => {
    expect(targeted("all-linear")).toHaveLength(2 * 6);
    expect(targeted(".*\\.1\\..*(q|v)_proj").map((name) => name.split(".").at(-1))).toEqual(["q_proj", "v_proj"]);
    expect(targeted(".*(lm_head|embed.*)")).toEqual(["model.embed_tokens", "lm_head"]);
    expect(targeted(["query_key_value"])).toHaveLength(6);
  });

  it("of which some match nothing are taken with a note", () => {
    const config: LoraConfig = { ...plain, targets: ["v_proj", "nothing"], rankPattern: { nowhere: 3 } };
    expect(lora(config, small.base).note).toMatch(
      /^This model has no module nothing: .* It has q_proj, .*lm_head\.\nrankPattern: nowhere fits no targeted module/,
    );
    expect(lora({ ...plain, targets: ["v_proj"] }, small.base).note).toBeUndefined();
  });
});

describe("bad input", () => {
  const refused = (change: Partial<LoraConfig>, base = small.base) =>
    expect(() => lora({ ...plain, targets: ["v_proj"], ...change }, base));

  it("is refused by name", () => {
    refused({ targets: ["a", "b"] }).toThrow(/LoRA targets a, b: .*It has q_proj, .*embed_tokens/);
    refused({ targets: "a.*" }).toThrow(/LoRA targets a\.\*/);
    refused({ targets: "(" }).toThrow(/targets: the pattern cannot be read/);
    refused({ targets: "(?=a)b" }).toThrow(expect.objectContaining({ code: "unsupported" }));
    refused({ targets: "" }).toThrow(/expected at least one module/);
    refused({ r: 0 }).toThrow(/r: expected a whole number of 1 or more, got 0/);
    refused({ alpha: Number.NaN }).toThrow(/alpha: expected a number above 0, got NaN/);
    refused({ modulesToSave: ["nothing"] }).toThrow(
      /modulesToSave: no module's name ends in nothing. The model has .*norm/,
    );
    refused({ modulesToSave: ["v_proj"] }).toThrow(/LoRA targets v_proj, which all train whole/);
    const frozen = new Set(["model.layers.0.mlp.down_proj.weight"]);
    refused({ modulesToSave: ["down_proj"] }, { ...small.base, frozen }).toThrow(/held in fewer bits/);
    expect(lora({ ...plain, targets: ["v_proj"], modulesToSave: ["norm", "nothing"] }, small.base).note).toMatch(
      /no module nothing to train/,
    );
  });

  const tensorsOf = async (place: string) => (await readSafetensors(join(place, "adapter_model.safetensors"))).values;
  const changed = async (name: string, change: (tensors: Record<string, Tensor>) => Record<string, Tensor>) => {
    await cp(join(made, name), folder, { recursive: true });
    await writeSafetensors(join(folder, "adapter_model.safetensors"), sourcesOf(change(await tensorsOf(folder))));
    return readAdapter(folder, small.base);
  };

  it("NaN, and shapes that collide, in tensors of any kind", async () => {
    const bad = (part: string, value: Tensor) => (tensors: Record<string, Tensor>) => ({
      ...tensors,
      [Object.keys(tensors).find((name) => name.includes(part))!]: value,
    });
    const nan = (shape: readonly number[]) =>
      tensor("float32", shape, new Float32Array(sizeOf(shape)).fill(Number.NaN));
    await expect(changed("dora", bad("0.self_attn.q_proj.lora_magnitude", nan([16])))).rejects.toThrow(
      /lora_magnitude_vector: .*NaN/,
    );
    await expect(changed("dora", bad("magnitude", filled([3])))).rejects.toThrow(
      /lora_magnitude_vector: expected \[40\], got \[3\]/,
    );
    await expect(changed("tables", bad("embedding_A", filled([2, 3])))).rejects.toThrow(
      /embedding_A: expected \[2,24\], got \[2,3\]/,
    );
    await expect(changed("saved", bad("k_proj.weight", nan([8, 16])))).rejects.toThrow(/k_proj.weight: .*NaN/);
  });

  it("tables that PEFT saved beside are those of the model", async () => {
    const beside = async (name: string, change = 0) => {
      const table = await small.base.read(name.replace("base_model.model.", "").replace(".base_layer", ""));
      const values = table.data.map((value) => value + change);
      return (tensors: Record<string, Tensor>) => ({ ...tensors, [name]: tensor("float32", table.shape, values) });
    };
    const name = "base_model.model.model.embed_tokens.base_layer.weight";
    const { tensors } = await changed("tables", await beside(name));
    expect(Object.keys(tensors)).not.toContain(name);
    expect((await changed("some", await beside("base_model.model.lm_head.weight"))).tensors).toEqual(
      await tensorsOf(join(made, "some")),
    );
    await expect(changed("tables", await beside(name, 0.5))).rejects.toThrow(
      /embed_tokens.*trained on a model with other tokens/,
    );
    await expect(changed("tables", (all) => ({ ...all, [name]: filled([30, 16]) }))).rejects.toThrow(
      /own table \[24,16\], got \[30,16\]/,
    );
  });

  it.each([
    ["pissa", "path_initial_model_for_weight_conversion"],
    ["pissa_niter_4", "path_initial_model_for_weight_conversion"],
    ["olora", "path_initial_model_for_weight_conversion"],
    ["loftq", "merge it in PEFT"],
  ])("a start by %s, with what to do", async (start, remedy) => {
    await cp(join(made, "some"), folder, { recursive: true });
    const path = join(folder, "adapter_config.json");
    const json = JSON.parse(await readFile(path, "utf8"));
    await writeFile(path, JSON.stringify({ ...json, init_lora_weights: start }));
    await expect(readAdapter(folder, small.base)).rejects.toMatchObject({
      code: "unsupported",
      message: expect.stringMatching(new RegExp(`"${start}", which changed the base: .*${remedy}`)),
    });
  });
});
