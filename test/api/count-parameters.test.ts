/** @file Counts of the published models' parameters, as the field's papers, articles and PEFT have them, from config.json alone. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  type AdapterConfig,
  adaLora,
  countParameters,
  embeddings,
  freeze,
  full,
  type LoraOptions,
  load,
  lora,
  pTuning,
} from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { oracleFolder } from "../oracle.ts";
import { publishedChatglm6b, publishedGlm, publishedGlm4 } from "../published-config.ts";

const home = ownHome();

const EVERY = ["query_key_value", "dense", "dense_h_to_4h", "dense_4h_to_h"];
const int4 = { ...publishedChatglm6b, quantization_bit: 4 };
/** Before its vocabulary was cut down to what it has now. */
const firstRelease = { ...publishedChatglm6b, vocab_size: 150528 };
const layers23to27 = freeze({ match: [23, 24, 25, 26, 27].map((layer) => `layers.${layer}.`) });
const sixteen = pTuning({ length: 16, projection: true });

const counted = async (model: object, method: AdapterConfig) =>
  (await countParameters(model as Record<string, unknown>, method)).summary;
/** As articles round them. */
const rounded = (percent: number, digits: number): string => percent.toFixed(digits);

describe("ChatGLM2 and ChatGLM3", () => {
  it("has 6,243,584,000 parameters, and trains all of them at most", async () => {
    const { trainable, all } = await counted(publishedGlm, full());
    expect([trainable, all]).toEqual([6_243_584_000, 6_243_584_000]);
  });

  it("prints PEFT's line of LoRA with rank 8 on query_key_value", async () => {
    expect(String(await counted(publishedGlm, lora()))).toBe(
      "trainable params: 1,949,696 || all params: 6,245,533,696 || trainable%: 0.031217444255383614",
    );
  });

  it("counts biases that train where they are once, as PEFT does", async () => {
    const [plain, biased] = [
      await counted(publishedGlm, lora()),
      await counted(publishedGlm, lora({ bias: "lora_only" })),
    ];
    expect(biased.all).toBe(plain.all);
    expect(biased.trainable).toBe(plain.trainable + 28 * 4608);
  });

  it("has 14,823,424 with rank 8 on all four linear modules of a layer", async () => {
    const { trainable, all } = await counted(publishedGlm, lora({ targets: EVERY }));
    expect([trainable, all]).toEqual([14_823_424, 6_243_584_000 + 14_823_424]);
  });

  it("counts AdaLoRA as PEFT: 2,924,880, and a rank counter for each module that does not train", async () => {
    const { trainable, all } = await counted(publishedGlm, adaLora({ initR: 12 }));
    expect([trainable, all]).toEqual([2_924_880, 6_246_508_908]);
  });

  it("has the same names for its modules, whatever is asked for first", async () => {
    const { adapter } = await countParameters(publishedGlm, lora());
    expect(adapter).toHaveLength(2 * 28);
    expect(adapter[1]).toEqual({
      name: "base_model.model.transformer.encoder.layers.0.self_attention.query_key_value.lora_B.weight",
      shape: [4608, 8],
      dtype: "float32",
      trainable: true,
      count: 4608 * 8,
    });
  });
});

it("GLM-4-9B has 9,399,951,360, by either layout's names", async () => {
  const transformers = {
    model_type: "glm",
    num_hidden_layers: 40,
    hidden_size: 4096,
    intermediate_size: 13696,
    num_attention_heads: 32,
    num_key_value_heads: 2,
    head_dim: 128,
    vocab_size: 151552,
    attention_bias: true,
  };
  for (const model of [publishedGlm4, transformers]) expect((await counted(model, full())).all).toBe(9_399_951_360);
});

describe("ChatGLM-6B in int4", () => {
  it("has 3,355,746,304: packed bytes, and scales", async () => {
    const { summary, base } = await countParameters(int4, lora());
    expect(summary.all - summary.trainable).toBe(3_355_746_304);
    const qkv = base.filter(({ name }) => name.includes("layers.7.attention.query_key_value."));
    expect(qkv.map(({ dtype, shape }) => [dtype, ...shape])).toEqual([
      ["int8", 12288, 2048],
      ["float16", 12288],
      ["float16", 12288],
    ]);
    expect(await countParameters(publishedChatglm6b, lora(), { quantize: "int4" })).toEqual(
      expect.objectContaining({ summary, base }),
    );
  });

  it("trains 81,920 where layers 23 to 27 are not frozen: their norms", async () => {
    for (const method of [layers23to27, freeze({ layers: 5 })]) {
      const { trainable, all, percent } = await counted(int4, method);
      expect([trainable, all, rounded(percent, 4)]).toEqual([81_920, 3_355_746_304, "0.0024"]);
    }
  });

  it("trains linear modules' biases with a LoRA that names them, as PEFT, and else with nothing, as the published code", async () => {
    const [plain, all, targets] = await Promise.all(
      (["none", "all", "lora_only"] as const).map((bias) => counted(int4, lora({ bias }))),
    );
    const [layer, norms] = [12288 + 4096 + 16384 + 4096, 2 * 4096];
    expect(all!.trainable - plain!.trainable).toBe(28 * (layer + norms) + 4096);
    expect(targets!.trainable - plain!.trainable).toBe(28 * 12288);
    expect(all!.all).toBe(plain!.all);
    expect((await counted(int4, full({ match: [".bias"] }))).trainable).toBe(28 * norms + 4096);
    await expect(counted(int4, full({ match: ["dense.bias"] }))).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringMatching(/freezes with their biases\. Choose others, train a LoRA \(with bias,/),
    });
  });

  it("trains 15.9 % as its embedding, which is its output layer, too", async () => {
    const { trainable, all, percent } = await counted(int4, embeddings());
    expect([trainable, all, rounded(percent, 1)]).toEqual([534_642_688, 3_355_746_304, "15.9"]);
  });

  it("trains 22.18 % as a prefix of 16 with projection", async () => {
    const { trainable, all, percent } = await counted(int4, sixteen);
    expect([trainable, all, rounded(percent, 2)]).toEqual([956_600_320, 4_312_346_624, "22.18"]);
  });
});

it("says which layers a number without a dot at its end is in", async () => {
  const { note, adapter } = await countParameters(
    publishedGlm,
    freeze({ match: ["layers.2", "layers.27.", "norm.1"] }),
  );
  const layers = new Set(adapter.map(({ name }) => /layers\.(\d+)/.exec(name)?.[1]));
  expect([...layers]).toEqual(["2", "20", "21", "22", "23", "24", "25", "26", "27"]);
  expect(note).toBe(
    "No parameter's name contains norm.1: passed over.\n" +
      "layers.2 is in the names of layers 2, 20, 21, 22, 23, 24, 25, 26 and 27, which all train. " +
      "For layer 2 alone, write layers.2. with a dot at the end.",
  );
  for (const match of [["layers.27"], ["layers.2."], ["dense_h_to_4h"], ["layers."]]) {
    expect(await countParameters(publishedGlm, full({ match }))).not.toHaveProperty("note");
  }
});

it("the first ChatGLM-6B, in float16, trains what ChatGLM-Finetuning's table says", async () => {
  expect((await counted(firstRelease, full())).all).toBe(6_255_206_400);
  const percents = await Promise.all(
    [layers23to27, lora({ r: 8 }), sixteen].map(async (method) => (await counted(firstRelease, method)).percent),
  );
  expect(percents.map((percent, i) => rounded(percent, i === 1 ? 4 : 2))).toEqual(["16.10", "0.0586", "13.26"]);
});

describe("where the configuration lies", () => {
  const line = "trainable params: 1,949,696 || all params: 6,245,533,696 || trainable%: 0.031217444255383614";
  const options: LoraOptions = { r: 8 };

  it("is a folder without weights, or a file of any name", async () => {
    const folder = join(home, "alone");
    mkdirSync(folder);
    writeFileSync(join(folder, "config.json"), JSON.stringify(publishedGlm));
    writeFileSync(join(folder, "settings.json"), JSON.stringify(publishedGlm));
    for (const name of [folder, join(folder, "config.json"), join(folder, "settings.json")]) {
      expect(String((await countParameters(name, lora(options))).summary)).toBe(line);
    }
    const said = await countParameters(folder, lora(options), { family: "chatglm3-6b" });
    expect(said.config.family).toBe("chatglm3-6b");
  });

  it.each([
    ["tiny", lora()],
    [oracleFolder("chatglm-6b-int8"), freeze({ layers: 1 })],
    [oracleFolder("chatglm2-6b-fp16-bin"), pTuning({ length: 3 })],
    [oracleFolder("glm-4-9b-hf"), adaLora({ targets: ["q_proj"] })],
  ])("%s: counts and tensors are those of the loaded model", async (name, method) => {
    const found = await countParameters(name, method);
    const glm = await load(name);
    const adapter = await glm.createAdapter("one", method);
    expect(String(found.summary)).toBe(String(adapter.summary()));
    expect(found.adapter).toEqual(adapter.parameters());
    const sizes = (all: typeof found.base) => all.map(({ dtype: _, ...size }) => size);
    expect(sizes(found.base)).toEqual(sizes(glm.info.parameters));
    await glm.dispose();
  });

  it.each([
    ["no/such/folder", lora(), {}, "model-not-found", /there is no folder/],
    ["./no.json", lora(), {}, "model-not-found", /there is no file/],
    ["THUDM/chatglm3-6b", lora(), {}, "model-not-found", /offline mode is on/],
    [int4, lora(), { quantize: "int8" }, "option-invalid", /published in int4/],
    [{ model_type: "llama" }, lora(), {}, "unsupported", /"llama"/],
    [publishedGlm, lora({ targets: ["no_such"] }), {}, "adapter-invalid", /no_such/],
    [publishedGlm, { method: "no" }, {}, "option-invalid", /method: expected what lora\(\)/],
    [publishedGlm, lora(), { device: "cpu" }, "option-invalid", /device: there is no such option/],
    [int4, freeze({ match: ["dense"] }), {}, "adapter-invalid", /fewer bits/],
  ] as const)("refuses %j with %j and %j", async (model, method, options, code, message) => {
    const found = countParameters(model as string, method as AdapterConfig, options as object);
    await expect(found).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
  });
});
