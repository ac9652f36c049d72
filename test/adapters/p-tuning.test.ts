/** @file P-tuning v2's prefixes: what they count, and their files as the published scripts, PEFT and this project have them. */
import { cp, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { AdapterTensors, BaseModel, PTuningConfig } from "../../src/adapters/adapter.ts";
import { readAdapter, writeAdapter } from "../../src/adapters/files.ts";
import { createAdapter } from "../../src/adapters/methods.ts";
import { modulesOf, parametersOf } from "../../src/models/architectures.ts";
import { type ChatGLMConfig, readConfig } from "../../src/models/config.ts";
import { filled, sizeOf, type Tensor, tensor } from "../../src/tensor.ts";
import { readSafetensors, sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";
import { oracleConfig, oracleFolder } from "../oracle.ts";
import { publishedGlm } from "../published-config.ts";

const baseOf = (config: ChatGLMConfig): BaseModel => ({
  parameters: parametersOf(config),
  modules: modulesOf(config),
  config,
  read: () => Promise.reject(new Error("a prefix does not read base weights")),
});

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
