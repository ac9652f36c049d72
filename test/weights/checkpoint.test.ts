import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { textFile } from "../../src/files.ts";
import { type FloatTensor, tensor } from "../../src/tensor.ts";
import { openCheckpoint, writeCheckpoint } from "../../src/weights/checkpoint.ts";
import { sourcesOf } from "../../src/weights/safetensors.ts";
import { oracleFolder } from "../oracle.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-checkpoint-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const row = (size: number, first: number): FloatTensor =>
  tensor(
    "float32",
    [size],
    Float32Array.from({ length: size }, (_, i) => first + i),
  );
const weights = { a: row(10, 0), b: row(10, 100), c: row(50, 200), d: row(3, 300) };

async function expectWeights(): Promise<void> {
  const checkpoint = await openCheckpoint(folder);
  expect([...checkpoint.tensors.keys()].sort()).toEqual(["a", "b", "c", "d"]);
  for (const [name, value] of Object.entries(weights)) expect(await checkpoint.read(name)).toEqual(value);
}

test("one file, and shards by size with an index, read alike", async () => {
  await writeCheckpoint(folder, sourcesOf(weights), { files: [textFile("config.json", "{}")] });
  expect((await readdir(folder)).sort()).toEqual(["config.json", "model.safetensors"]);
  await expectWeights();

  await writeCheckpoint(folder, sourcesOf(weights), { maxShardBytes: 100 });
  const shards = [1, 2, 3].map((n) => `model-0000${n}-of-00003.safetensors`);
  expect((await readdir(folder)).sort()).toEqual(["config.json", ...shards, "model.safetensors.index.json"]);
  const index = JSON.parse(await readFile(join(folder, "model.safetensors.index.json"), "utf8"));
  expect(index).toEqual({
    metadata: { total_size: 292 },
    weight_map: { a: shards[0], b: shards[0], c: shards[1], d: shards[2] },
  });
  await expectWeights();

  await writeCheckpoint(folder, sourcesOf(weights));
  expect((await readdir(folder)).sort()).toEqual(["config.json", "model.safetensors"]);
  await expectWeights();
});

test("safetensors are preferred to PyTorch's files, one file to shards", async () => {
  const of = async (): Promise<string[]> =>
    [...(await openCheckpoint(folder)).tensors.values()].map(({ file }) => file);
  const shards = oracleFolder("chatglm2-6b-fp16-bin");
  for (const name of await readdir(shards)) await copyFile(join(shards, name), join(folder, name));
  expect((await of()).every((file) => /pytorch_model-0000[12]-of-00002\.bin$/.test(file))).toBe(true);
  await copyFile(oracleFolder("chatglm2-6b-int4", "pytorch_model.bin"), join(folder, "pytorch_model.bin"));
  expect((await of()).every((file) => file === join(folder, "pytorch_model.bin"))).toBe(true);
  await writeCheckpoint(folder, sourcesOf(weights), { maxShardBytes: 100 });
  expect((await of()).every((file) => /model-0000[123]-of-00003\.safetensors$/.test(file))).toBe(true);
  await writeCheckpoint(folder, sourcesOf(weights));
  expect(await of()).toEqual(Array(4).fill(join(folder, "model.safetensors")));
});

test("faults of PyTorch's shards are in one report, too", async () => {
  const shards = oracleFolder("chatglm2-6b-fp16-bin");
  for (const name of await readdir(shards)) await copyFile(join(shards, name), join(folder, name));
  const [first, second] = ["pytorch_model-00001-of-00002.bin", "pytorch_model-00002-of-00002.bin"];
  // A download that put the same file in both places.
  await copyFile(join(folder, first), join(folder, second));
  const error = await openCheckpoint(folder).catch((e: unknown) => e as Error);
  const { message } = error as Error;
  expect(error).toMatchObject({ code: "model-invalid" });
  expect(message).toContain(`${second}: has "transformer.embedding.word_embeddings.weight", as has ${first}`);
  expect(message).toContain(`${second}: expected a tensor "transformer.output_layer.weight", as the index says`);
});

test("a model that cannot be finished leaves the old one", async () => {
  await writeCheckpoint(folder, sourcesOf(weights));
  const broken = {
    ...row(4, 0),
    name: "z",
    read: (): never => {
      throw new Error("lost");
    },
  };
  await expect(writeCheckpoint(folder, [...sourcesOf(weights), broken], { maxShardBytes: 100 })).rejects.toThrow(
    "lost",
  );
  expect(await readdir(folder)).toEqual(["model.safetensors"]);
  await expectWeights();
});

test("every fault of every shard is in one report", async () => {
  await writeCheckpoint(folder, sourcesOf(weights), { maxShardBytes: 100 });
  await rm(join(folder, "model-00001-of-00003.safetensors"));
  const second = join(folder, "model-00002-of-00003.safetensors");
  await writeFile(second, (await readFile(second)).subarray(0, 100));
  const indexFile = join(folder, "model.safetensors.index.json");
  const index = JSON.parse(await readFile(indexFile, "utf8"));
  index.weight_map.e = "model-00003-of-00003.safetensors";
  await writeFile(indexFile, JSON.stringify(index));
  const error = await openCheckpoint(folder).catch((e: unknown) => e as Error);
  expect(error).toMatchObject({ code: "model-invalid" });
  const message = (error as Error).message;
  for (const part of [
    "00001-of-00003.safetensors: missing, with 2 tensors",
    "00002",
    "expected a header of",
    '00003.safetensors: expected a tensor "e"',
  ]) {
    expect(message).toContain(part);
  }
});

test.each([
  ["no JSON", "{", /got no JSON/],
  ["no map", "[]", /got no weight_map/],
  ["nothing in it", '{"weight_map": {}}', /empty weight_map/],
  ["a file elsewhere", '{"weight_map": {"a": "../model.safetensors"}}', /"\.\.\/model\.safetensors" for "a"/],
])("an index with %s is refused", async (_, text, message) => {
  await writeFile(join(folder, "model.safetensors.index.json"), text);
  await expect(openCheckpoint(folder)).rejects.toMatchObject({
    code: "model-invalid",
    message: expect.stringMatching(message),
  });
});

test("a folder without weights says what it has", async () => {
  await expect(openCheckpoint(join(folder, "none"))).rejects.toMatchObject({
    code: "model-not-found",
    message: expect.stringMatching(/none.*Check the path/),
  });
  await expect(openCheckpoint(folder)).rejects.toMatchObject({
    code: "model-not-found",
    message: expect.stringMatching(/an empty folder/),
  });
  await mkdir(join(folder, "x"));
  await expect(openCheckpoint(folder)).rejects.toThrow(/got x\. Check/);
});

test("an unknown tensor and a senseless shard size are refused by name", async () => {
  await writeCheckpoint(folder, sourcesOf(weights));
  await expect((await openCheckpoint(folder)).read("q")).rejects.toThrow(/expected a tensor q/);
  await expect(writeCheckpoint(folder, [], { maxShardBytes: 0 })).rejects.toMatchObject({
    code: "option-invalid",
    message: expect.stringMatching(/maxShardBytes.*got 0/),
  });
});
