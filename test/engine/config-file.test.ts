import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readConfigFile } from "../../src/engine/config-file.ts";
import { oracleConfig, oracleFolder, oracleJson } from "../oracle.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-config-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a published file", async () => {
  const { config, text } = await readConfigFile(oracleFolder("chatglm-6b-int4"));
  expect(config).toEqual(oracleConfig("chatglm-6b-int4"));
  expect(JSON.parse(text)).toEqual(oracleJson("chatglm-6b-int4", "config.json"));
});

test("a missing file", async () => {
  await expect(readConfigFile(join(folder, "none"))).rejects.toMatchObject({
    code: "model-not-found",
    message: expect.stringMatching(/none.config\.json: expected a model's folder with its configuration.*ENOENT/),
  });
});

const published = oracleJson("chatglm2-6b", "config.json") as object;
const deep = `${"[".repeat(100_000)}${"]".repeat(100_000)}`;

describe("the family of an architecture that several share", () => {
  const shared = { ...(oracleJson("chatglm3-6b", "config.json") as object) };
  /** A folder with a configuration, without a name in it, and files of a tokenizer. */
  const written = async (name: string, files: Record<string, string>, more: object = {}): Promise<string> => {
    const place = join(folder, name);
    await mkdir(place, { recursive: true });
    await writeFile(join(place, "config.json"), JSON.stringify({ ...shared, ...more }));
    for (const [file, text] of Object.entries(files)) await writeFile(join(place, file), text);
    return place;
  };
  const roles = '{"special": ["[gMASK]", "<|user|>"]}';
  const plain = '{"special_tokens": ["[MASK]", "[gMASK]", "sop", "eop"]}';

  test.each([
    ["chatglm2-6b", { "tokenizer_config.json": roles }, "chatglm3-6b"],
    ["chatglm2-6b-a", { "added_tokens.json": roles }, "chatglm3-6b"],
    ["chatglm2-6b-b", { "special_tokens_map.json": roles }, "chatglm3-6b"],
    ["chatglm2-6b-c", { "chat_template.jinja": "<|assistant|>" }, "chatglm3-6b"],
    ["chatglm2-6b-d", { "tokenization_chatglm.py": 'role_special_tokens = ["<|system|>", "<|user|>"]' }, "chatglm3-6b"],
    ["chatglm3-6b", { "tokenizer_config.json": plain }, "chatglm2-6b"],
    ["chatglm3-6b-a", { "tokenization_chatglm.py": 'special_tokens = ["[MASK]", "[gMASK]"]' }, "chatglm2-6b"],
    ["chatglm3-6b-b", { "tokenizer.model": "IQ== 0\nIg== 1\n" }, "glm-4-9b"],
  ])("%s with %o is %s, by the tokenizer", async (name, files, family) => {
    const { config, note } = await readConfigFile(await written(name, files));
    expect([config.family, note]).toEqual([family, undefined]);
  });

  test.each([
    ["x/chatglm3-6b-tuned", {}, {}, "chatglm3-6b", /guess \(by the name "chatglm3-6b-tuned" alone\)/],
    ["ChatGLM3-main/chatglm2-6b", {}, {}, "chatglm2-6b", /by the name "chatglm2-6b" alone/],
    [
      "out/a",
      {},
      { _name_or_path: "/AI/ChatGLM3-main/models/chatglm2-6b" },
      "chatglm2-6b",
      /by the name "chatglm2-6b"/,
    ],
    [
      "out/b",
      { "tokenizer_config.json": '{"name_or_path": "/m/chatglm3-6b"}' },
      {},
      "chatglm3-6b",
      /"chatglm3-6b" alone/,
    ],
    ["out/c", {}, {}, "chatglm2-6b", /nothing in the files, and no name/],
  ])("%s with %o and %o is a guess, and says so", async (name, files, more, family, said) => {
    const place = await written(name, files, more);
    const { config, note } = await readConfigFile(place);
    expect([config.family, note]).toEqual([family, expect.stringMatching(said)]);
    // Who knows better says so, and is told nothing.
    const told = await readConfigFile(place, { family: "chatglm3-6b" });
    expect([told.config.family, told.note]).toEqual(["chatglm3-6b", undefined]);
  });

  test("a published id is no guess; the name that was asked for counts before the folder's", async () => {
    const place = await written("models--cache", {}, { _name_or_path: "THUDM/chatglm3-6b" });
    expect(await readConfigFile(place)).toMatchObject({ config: { family: "chatglm3-6b" }, otherFamily: false });
    expect((await readConfigFile(place)).note).toBeUndefined();
    const asked = await readConfigFile(await written("chatglm2-6b-x", {}), { name: "ZhipuAI/chatglm3-6b" });
    expect(asked).toMatchObject({ config: { family: "chatglm3-6b" }, otherFamily: true });
  });
});

test.each([
  ["no JSON", "{", "model-invalid", /got no JSON/],
  ["a list", "[]", "model-invalid", /got JSON of another kind/],
  ["null", "null", "model-invalid", /got JSON of another kind/],
  ["something large", " ".repeat(2 ** 20 + 1), "model-invalid", /got 1048577 bytes/],
  ["a type that is deep", `{"model_type": ${deep}}`, "unsupported", /got model_type a list of 1/],
  [
    "a size that is deep",
    JSON.stringify({ ...published, num_layers: 0 }).replace(":0", `:${deep}`),
    "model-invalid",
    /num_layers: expected a positive integer, got a list of 1/,
  ],
  [
    "more layers than memory",
    JSON.stringify({ ...published, num_layers: 1e12 }),
    "model-invalid",
    /at most 1000, got 1000000000000/,
  ],
])("%s", async (_, text, code, message) => {
  await writeFile(join(folder, "config.json"), text);
  await expect(readConfigFile(folder)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });
});
