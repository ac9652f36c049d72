import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
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
