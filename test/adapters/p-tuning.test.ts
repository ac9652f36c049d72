/** @file P-tuning v2's prefixes: what they count, and their files as the published scripts, PEFT and this project have them. */
import { cp, mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdapterTensors, BaseModel, PTuningConfig } from "../../src/adapters/adapter.ts";
import { type AskedForm, readAdapter, writeAdapter } from "../../src/adapters/files.ts";
import type { AdapterFormat } from "../../src/adapters/formats.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { type ChatGLMConfig, readConfig } from "../../src/models/config.ts";
import { filled, sizeOf, type Tensor, tensor } from "../../src/tensor.ts";
import { readSafetensors, sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";
import { readTorch } from "../../src/weights/torch.ts";
import { deviation, oracleConfig, oracleFolder } from "../oracle.ts";
import { publishedGlm } from "../published-config.ts";

const baseOf = (config: ChatGLMConfig): BaseModel => ({
  parameters: parametersOf(config),
  modules: modulesOf(config),
  config,
  read: () => Promise.reject(new Error("a prefix does not read base weights")),
});

const asked = (format: AdapterFormat, base: BaseModel): AskedForm => ({ format, base, settings: async () => ({}) });

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-prefix-"));
});
afterEach(() => rm(folder, { recursive: true }));

const count = (config: ChatGLMConfig, method: Omit<PTuningConfig, "method" | "dropout">): number =>
  createAdapter({ method: "pTuning", dropout: 0, ...method }, baseOf(config)).parameters.reduce(
    (sum, { shape }) => sum + sizeOf(shape),
    0,
  );

describe("the published sizes", () => {
  const first = readConfig(
    {
      ...{ model_type: "chatglm", num_layers: 28, hidden_size: 4096, inner_hidden_size: 16384 },
      ...{ num_attention_heads: 32, vocab_size: 130528, position_encoding_2d: true, max_sequence_length: 2048 },
    },
    "ChatGLM-6B",
  );
  const second = readConfig({ ...publishedGlm, seq_length: 8192 }, "ChatGLM2-6B");

  it("count as the seeds count them", () => {
    expect(count(first, { length: 16, projection: true })).toBe(956_600_320);
    expect(count(first, { length: 128, projection: false })).toBe(128 * 229_376);
    expect(count(second, { length: 128, projection: false })).toBe(128 * 14_336);
    expect(count(second, { length: 16, projection: true })).toBe(
      16 * 14_336 + 4096 * 14_336 + 4096 + 14_336 * 4096 + 14_336,
    );
  });
});

describe.each(["chatglm-6b", "chatglm2-6b", "chatglm3-6b"])("%s", (family) => {
  const base = baseOf(oracleConfig(family));

  describe.each([
    ["prefix", false],
    ["prefix-projection", true],
  ])("%s", (name, projection) => {
    const published = () => readSafetensors(join(oracleFolder(family), name, "model.safetensors"));

    it("is read from the published scripts' folder, its length and projection from the shapes", async () => {
      const { config, tensors } = await readAdapter(join(oracleFolder(family), name), base);
      expect(config).toEqual({ method: "pTuning", length: 5, projection, dropout: 0 });
      expect(tensors).toEqual((await published()).values);
    });

    it.each([
      ["the encoder's own names", (key: string) => key.replace("transformer.prefix_encoder.", "")],
      ["names of a wrapped model", (key: string) => `module.${key}`],
      ["the encoder's names", (key: string) => key.replace("transformer.", "")],
    ])("is read by %s", async (_, renamed) => {
      const { values } = await published();
      const others = Object.fromEntries(Object.entries(values).map(([key, value]) => [renamed(key), value]));
      await writeSafetensors(join(folder, "model.safetensors"), sourcesOf(others));
      expect((await readAdapter(folder, base)).tensors).toEqual(values);
    });

    it("is read from among a whole model's tensors", async () => {
      await cp(oracleFolder(family), folder, { recursive: true });
      const file = join(folder, "model.safetensors");
      const { values } = await published();
      const all = { ...(await readSafetensors(file)).values, ...values };
      await writeSafetensors(file, sourcesOf(all as Record<string, Tensor>));
      expect((await readAdapter(folder, base)).tensors).toEqual(values);
    });

    it("is written as the published scripts write it, and read again", async () => {
      const tensors = (await published()).values as AdapterTensors;
      const config = { method: "pTuning", length: 5, projection, dropout: 0.1 } as const;
      const settings = JSON.parse(await readFile(join(oracleFolder(family), "config.json"), "utf8")) as object;
      const form = { ...asked("published", base), settings: async () => settings };
      // Over the same, too.
      for (let i = 0; i < 2; i += 1) {
        await writeAdapter(folder, { config, tensors, documents: {} }, "m", form);
        expect((await readdir(folder)).sort()).toEqual(["config.json", "pytorch_model.bin"]);
      }
      expect((await readTorch(join(folder, "pytorch_model.bin"))).map(({ name: key }) => key)).toEqual(
        Object.keys(tensors),
      );
      const theirs = await readFile(join(oracleFolder(family), name, "config.json"), "utf8");
      expect(JSON.parse(await readFile(join(folder, "config.json"), "utf8"))).toEqual(JSON.parse(theirs));
      expect(await readAdapter(folder, base)).toEqual({ config: { ...config, dropout: 0 }, tensors, documents: {} });
    });

    it("is written as PEFT's prefix tuning: the keys and values, without what makes them", async () => {
      const tensors = (await published()).values as AdapterTensors;
      const config = { method: "pTuning", length: 5, projection, dropout: 0.1 } as const;
      await writeAdapter(folder, { config, tensors, documents: {} }, "m", asked("peft", base));
      const read = await readAdapter(folder, base);
      expect(read.config).toEqual({ ...config, projection: false, dropout: 0 });
      const { prefix: before } = await createAdapter(config, base).forInference(tensors);
      const { prefix: after } = await createAdapter(read.config, base).forInference(read.tensors);
      expect(after).toEqual(before);
      const { layers, groups, headSize } = base.config;
      expect(JSON.parse(await readFile(join(folder, "adapter_config.json"), "utf8"))).toMatchObject({
        ...{ peft_type: "PREFIX_TUNING", num_virtual_tokens: 5, num_layers: layers, num_attention_heads: groups },
        ...{ token_dim: groups * headSize, num_transformer_submodules: 1, prefix_projection: false },
      });
    });

    it("is written and read again, with its dropout", async () => {
      const tensors = (await published()).values as AdapterTensors;
      const config = { method: "pTuning", length: 5, projection, dropout: 0.1 } as const;
      await writeAdapter(folder, { config, tensors, documents: {} }, "THUDM/chatglm");
      expect(await readAdapter(folder, base)).toEqual({ config, tensors, documents: {} });
    });
  });
});

describe("what does not fit is refused", () => {
  const base = baseOf(oracleConfig("chatglm2-6b"));
  const written = async (tensors: Record<string, Tensor>): Promise<void> => {
    await mkdir(folder, { recursive: true });
    await writeSafetensors(join(folder, "model.safetensors"), sourcesOf(tensors));
  };
  const EMBEDDING = "transformer.prefix_encoder.embedding.weight";

  it("a prefix of another family", async () => {
    const other = join(oracleFolder("chatglm-6b"), "prefix");
    await expect(readAdapter(other, base)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining(`${EMBEDDING}: expected [5,256], got [5,512]`),
    });
  });

  it("numbers that are none, and a projection of which a half is missing", async () => {
    await written({ [EMBEDDING]: tensor("float32", [1, 256], new Float32Array(256).fill(Number.NaN)) });
    await expect(readAdapter(folder, base)).rejects.toThrow(new RegExp(`${EMBEDDING}: .*NaN`));
    await written({ [EMBEDDING]: filled([1, 256]), "transformer.prefix_encoder.trans.0.weight": filled([128, 256]) });
    await expect(readAdapter(folder, base)).rejects.toThrow(/trans\.2\.weight: expected \[256,128\], got nothing/);
  });

  it("a length that no model has, and options out of range", () => {
    const made = (config: Partial<PTuningConfig>) => () =>
      createAdapter({ method: "pTuning", length: 4, projection: false, dropout: 0, ...config }, base);
    expect(made({ length: 100_000 })).toThrow(/length: expected a whole number from 1 to \d+ \(the model's context\)/);
    expect(made({ length: 0, dropout: 1 })).toThrow(/length: .*\n.*dropout: expected 0 or more and less than 1, got 1/);
  });

  it("a length that leaves no room, in a file", async () => {
    const { contextLength } = base.config;
    await written({ [EMBEDDING]: filled([contextLength + 1, 256]) });
    await expect(readAdapter(folder, base)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining(
        `length: expected a whole number from 1 to ${contextLength} (the model's context), got ${contextLength + 1}`,
      ),
    });
  });

  it.each(["model.safetensors", "pytorch_model.bin"])("a %s of which a part is missing", async (name) => {
    if (name === "model.safetensors") await written({ [EMBEDDING]: filled([5, 256]) });
    else {
      const stored = { config: plain, tensors: { [EMBEDDING]: filled([5, 256]) }, documents: {} };
      await writeAdapter(folder, stored, "m", asked("published", base));
    }
    await truncate(join(folder, name), 1000);
    await expect(readAdapter(folder, base)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining(join(folder, name)),
    });
  });

  it("a shard that is missing", async () => {
    const index = { weight_map: { [EMBEDDING]: "pytorch_model-00001-of-00001.bin" } };
    await writeFile(join(folder, "pytorch_model.bin.index.json"), JSON.stringify(index));
    await expect(readAdapter(folder, base)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining("pytorch_model-00001-of-00001.bin"),
    });
  });

  it("PEFT's of another size, with numbers that are none, or without its tensor", async () => {
    const json = { peft_type: "PREFIX_TUNING", num_virtual_tokens: 5 };
    await writeFile(join(folder, "adapter_config.json"), JSON.stringify(json));
    const saved = (tensors: Record<string, Tensor>) =>
      writeSafetensors(join(folder, "adapter_model.safetensors"), sourcesOf(tensors));
    await saved({ prompt_embeddings: filled([5, 512]) });
    await expect(readAdapter(folder, base)).rejects.toThrow(/embedding\.weight: expected \[5,256\], got \[5,512\]/);
    await saved({ prompt_embeddings: filled([5, 256], Number.POSITIVE_INFINITY) });
    await expect(readAdapter(folder, base)).rejects.toThrow(/embedding\.weight: expected finite numbers, got Infinity/);
    await saved({ prompt_embeddings: filled([5, 256]), "base_model.model.transformer.x": filled([2]) });
    await expect(readAdapter(folder, base)).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringMatching(/expected prompt_embeddings .*got .*base_model\.model\.transformer\.x/),
    });
  });

  const plain = { method: "pTuning", length: 5, projection: false, dropout: 0 } as const;

  it("a place with a model, which a prefix in the published form would take", async () => {
    await cp(oracleFolder("chatglm2-6b"), folder, { recursive: true });
    const before = (await readdir(folder)).sort();
    const stored = { config: plain, tensors: { [EMBEDDING]: filled([5, 256]) }, documents: {} };
    await expect(writeAdapter(folder, stored, "m", asked("published", base))).rejects.toMatchObject({
      code: "option-invalid",
      message: expect.stringMatching(
        /without a model, .* got config\.json, model\.safetensors\. Save it to another folder/,
      ),
    });
    await rm(join(folder, "model.safetensors"));
    await expect(writeAdapter(folder, stored, "m", asked("published", base))).rejects.toThrow(/got config\.json\./);
    expect((await readdir(folder)).sort()).toEqual(before.filter((name) => name !== "model.safetensors"));
  });

  it("a form that the method has not", async () => {
    const save = (method: "freeze" | "lora", format: AdapterFormat) => {
      const config =
        method === "lora"
          ? ({ method, r: 1, alpha: 1, dropout: 0, targets: ["dense"] } as const)
          : ({ method, layers: 1 } as const);
      return writeAdapter(folder, { config, tensors: {}, documents: {} }, "m", asked(format, base));
    };
    await expect(save("lora", "published")).rejects.toThrow(
      /format: expected peft for lora, got published\. Leave it out/,
    );
    await expect(save("freeze", "peft")).rejects.toThrow(/format: expected none, .* for freeze, got peft/);
    expect(await readdir(folder)).toEqual([]);
  });

  it("a configuration of ours that was changed", async () => {
    await writeFile(join(folder, "adapter_config.json"), JSON.stringify({ method: "pTuning", length: "5" }));
    await expect(readAdapter(folder, base)).rejects.toThrow(/adapter_config\.json: length: .*Save it again/);
  });
});

it("PEFT's prefix tuning has the same numbers under another name", async () => {
  const base = baseOf(oracleConfig("chatglm2-6b"));
  const { values } = await readSafetensors(join(oracleFolder("chatglm2-6b"), "prefix", "model.safetensors"));
  const [embedding] = Object.values(values);
  await writeSafetensors(join(folder, "adapter_model.safetensors"), sourcesOf({ prompt_embeddings: embedding! }));
  const config = { peft_type: "PREFIX_TUNING", num_virtual_tokens: 5, prefix_projection: false };
  await writeFile(join(folder, "adapter_config.json"), JSON.stringify(config));
  expect((await readAdapter(folder, base)).tensors).toEqual(values);
});

it("the form that was written last is the one that is read", async () => {
  const base = baseOf(oracleConfig("chatglm2-6b"));
  const stored = (value: number) => ({
    config: { method: "pTuning", length: 1, projection: false, dropout: 0 } as const,
    tensors: { "transformer.prefix_encoder.embedding.weight": filled([1, 256], value) },
    documents: {},
  });
  const forms = [undefined, "published", "peft", undefined, "peft", "published"] as const;
  for (const [i, format] of forms.entries()) {
    await writeAdapter(folder, stored(i + 1), "m", format && asked(format, base));
    expect(await readAdapter(folder, base)).toEqual(stored(i + 1));
  }
});

describe("in transformers' layout, where PEFT's virtual tokens take positions", () => {
  const base = baseOf(oracleConfig("glm-4-9b-hf"));
  const { layers, groups, headSize } = base.config;
  const config = { method: "pTuning", length: 3, projection: false, dropout: 0 } as const;

  it("keys are rotated by as many places, values and the rest of each head stay", async () => {
    const tensors = await createAdapter(config, base).initialize(7);
    await writeAdapter(folder, { config, tensors, documents: {} }, "m", asked("peft", base));
    const { values } = await readSafetensors(join(folder, "adapter_model.safetensors"));
    const ours = Object.values(tensors)[0]!.data;
    const theirs = values.prompt_embeddings!.data as Float32Array;
    const width = 2 * layers * groups * headSize;
    expect(values.prompt_embeddings?.shape).toEqual([3, width]);
    for (let i = 0; i < ours.length; i += 1) {
      const part = Math.floor((i % width) / (groups * headSize));
      const place = i % headSize;
      if (part % 2 === 1 || place >= headSize / 2) {
        expect(theirs[i]).toBe(ours[i]);
        continue;
      }
      const angle = 3 / base.config.ropeBase ** ((2 * Math.floor(place / 2)) / (headSize / 2));
      const other = place % 2 === 0 ? -(ours[i + 1] as number) : (ours[i - 1] as number);
      expect(theirs[i]).toBeCloseTo((ours[i] as number) * Math.cos(angle) + other * Math.sin(angle), 5);
    }
    const read = await readAdapter(folder, base);
    expect(read.config).toEqual(config);
    expect(deviation(Object.values(read.tensors)[0]!.data, ours)).toBeLessThan(1e-6);
  });
});
