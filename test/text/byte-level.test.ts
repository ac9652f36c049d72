/** @file GLM-4's tokenizer in its two forms: that they are one, their special tokens, half characters, bad files. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadTokenizer } from "../../src/text/load.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { readJson, textFixture } from "./fixtures.ts";

const ranks = await readFile(textFixture("glm-4-9b", "tokenizer.model"));
const json = readJson<Record<string, unknown>>(textFixture("glm-4-9b-hf", "tokenizer.json"));
const special = ["<|endoftext|>", "[MASK]", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|system|>", "<|user|>"];
let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-byte-level-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const loadFiles = async (files: Record<string, unknown>): Promise<Tokenizer> => {
  for (const [name, content] of Object.entries(files)) {
    const data = typeof content === "string" || content instanceof Uint8Array ? content : JSON.stringify(content);
    await writeFile(join(folder, name), data);
  }
  return loadTokenizer(folder);
};

describe.each(["glm-4-9b", "glm-4-9b-hf"])("%s", (form) => {
  test("special tokens follow the others, and are text in texts", async () => {
    const tokenizer = await loadTokenizer(textFixture(form));
    expect(tokenizer.vocabularySize).toBe(3014);
    special.forEach((name, i) => {
      expect(tokenizer.specialIds[name]).toBe(3000 + i);
      const ids = tokenizer.encode(`a${name}`);
      expect(ids.filter((id) => id >= 3000)).toEqual([]);
      expect(tokenizer.decode(ids)).toBe(`a${name}`);
      expect(tokenizer.encodePlain(`a${name}`)).toEqual(ids);
    });
    expect(tokenizer.specialIds).toMatchObject({ eos: 3000, pad: 3000, "<|observation|>": 3009 });
  });

  test("special ids and ids outside the vocabulary decode to nothing", async () => {
    const tokenizer = await loadTokenizer(textFixture(form));
    const ids = tokenizer.encode("你好👩‍🔬");
    expect(tokenizer.decode([3002, 3004, ...ids, 3007, 3013, 3014, 99_999, -1])).toBe("你好👩‍🔬");
  });

  test("streams hold the bytes of a character back until it is whole", async () => {
    const tokenizer = await loadTokenizer(textFixture(form));
    const ids = tokenizer.encode("𠮷");
    expect(ids.length).toBeGreaterThan(1);
    const stream = tokenizer.stream();
    const pieces = ids.map((id) => stream.push(id));
    expect([pieces.at(-1), pieces.slice(0, -1).join(""), stream.end()]).toEqual(["𠮷", "", ""]);
    const cut = tokenizer.stream();
    for (const id of ids.slice(0, -1)) expect(cut.push(id)).toBe("");
    expect(cut.end()).toBe("\ufffd");
    expect(tokenizer.decode(tokenizer.encode("a\ud83db"))).toBe("a\ufffdb");
  });
});

describe("the names of the special tokens", () => {
  test("are the published ones when tokenizer_config.json has none", async () => {
    const { specialIds } = await loadFiles({ "tokenizer.model": ranks });
    expect(specialIds).toEqual((await loadTokenizer(textFixture("glm-4-9b"))).specialIds);
  });

  test("come with their ids where it has those", async () => {
    const decoder = { 3001: { content: "<|b|>", special: true }, 3000: { content: "<|a|>", special: true } };
    const config = { added_tokens_decoder: decoder, additional_special_tokens: ["<|x|>"] };
    const { specialIds } = await loadFiles({ "tokenizer.model": ranks, "tokenizer_config.json": config });
    expect(specialIds).toEqual({ "<|a|>": 3000, "<|b|>": 3001 });
  });
});

describe("bad files", () => {
  const cutOff = ranks.subarray(0, ranks.lastIndexOf("\n", 20_000) + 1);
  const decoder = { 3000: { content: "<|endoftext|>" } };
  test.each<[string, Record<string, unknown>, RegExp]>([
    [
      "ranks cut off in a line",
      { "tokenizer.model": ranks.subarray(0, 20_003) },
      /line \d+: expected a token in base64/,
    ],
    ["ranks with one missing", { "tokenizer.model": Buffer.from("YQ== 0\nYg== 2\n") }, /expected 3 tokens.*got 2/],
    [
      "ranks cut off between lines",
      { "tokenizer.model": cutOff, "tokenizer_config.json": { added_tokens_decoder: decoder } },
      /expected 3000 tokens, which the special tokens follow, got \d+\. Download/,
    ],
    ["a tokenizer.json cut off", { "tokenizer.json": JSON.stringify(json).slice(0, 999) }, /text that is not JSON/],
    ["another kind of model", { "tokenizer.json": { ...json, model: { type: "Unigram" } } }, /type "Unigram"/],
    ["no model", { "tokenizer.json": {} }, /expected a byte-level BPE tokenizer, got no model/],
    ["BPE of characters", { "tokenizer.json": { ...json, pre_tokenizer: null, decoder: null } }, /byte-level/],
    ["an unknown part", { "tokenizer.json": { ...json, normalizer: { type: "Magic" } } }, /cannot be used \(.*Magic/],
    ["added tokens without ids", { "tokenizer.json": { ...json, added_tokens: [{ content: "a" }] } }, /byte-level/],
    [
      "names that are none",
      { "tokenizer.model": ranks, "tokenizer_config.json": { additional_special_tokens: 5 } },
      /got 5/,
    ],
  ])("%s", async (_, files, message) => {
    const loading = loadFiles(files);
    await expect(loading).rejects.toThrow(message);
    await expect(loading).rejects.toMatchObject({ code: "model-invalid" });
  });

  test("a tokenizer of another family is refused by name", async () => {
    await expect(loadTokenizer(textFixture("glm-4-9b"), "chatglm3-6b")).rejects.toThrow(
      /tokenizer\.model: expected the tokenizer of chatglm3-6b, got one of glm-4-9b/,
    );
    await expect(loadTokenizer(textFixture("glm-4-9b-hf"), "chatglm-6b")).rejects.toThrow(
      /expected ice_text\.model or tokenizer\.model, got/,
    );
  });
});
