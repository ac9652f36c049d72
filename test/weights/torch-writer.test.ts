/** @file Files of PyTorch weights that are written here: read again, byte by byte where PyTorch's own layout is known. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, expect, it } from "vitest";
import { replaceFiles } from "../../src/files.ts";
import { randomStream } from "../../src/random.ts";
import { sizeOf, tensor } from "../../src/tensor.ts";
import { readTensor } from "../../src/weights/safetensors.ts";
import { readTorch } from "../../src/weights/torch.ts";
import { torchFileOf } from "../../src/weights/torch-writer.ts";
import { zipChunks, zipSize } from "../../src/weights/zip-writer.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-torch-"));
});
afterEach(() => rm(folder, { recursive: true }));

const random = (shape: readonly number[]) => {
  const stream = randomStream(1, String(shape));
  return tensor(
    "float32",
    shape,
    new Float32Array(sizeOf(shape)).map(() => stream.normal()),
  );
};

it("is read again with names, shapes and numbers, each aligned to 64 bytes", async () => {
  const part = tensor("float32", [2], new Float32Array([9, 1, 2, 9]).subarray(1, 3));
  const tensors = { "a.b": random([3, 5]), 前缀: random([7]), none: random([0, 4]), scalar: random([]), part };
  const file = torchFileOf("pytorch_model.bin", tensors);
  await replaceFiles(folder, [file]);
  const path = join(folder, "pytorch_model.bin");
  expect(readFileSync(path).length).toBe(file.bytes);
  const stored = await readTorch(path);
  expect(stored.map(({ offset }) => offset % 64)).toEqual([0, 0, 0, 0, 0]);
  const values = await Promise.all(stored.map(async (one) => [one.name, await readTensor(one)] as const));
  expect(Object.fromEntries(values)).toEqual({
    ...tensors,
    part: tensor("float32", [2], new Float32Array([1, 2])),
  });
});

it("has the checksums of what it holds, and the size that was announced", async () => {
  const entries = ["", "a", "b".repeat(1000)].map((text, i) => ({ name: `x/${i}`, content: Buffer.from(text) }));
  const bytes = Buffer.concat([...zipChunks(entries)]);
  expect(bytes.length).toBe(zipSize(entries));
  const path = join(folder, "archive.zip");
  await writeFile(path, bytes);
  for (const [i, { content }] of entries.entries()) {
    // A local header: its checksum stands 14 bytes after its signature.
    const at = bytes.indexOf(`x/${i}`) - 30;
    expect(bytes.readUInt32LE(at)).toBe(0x04034b50);
    expect(bytes.readUInt32LE(at + 14)).toBe(crc32(content));
  }
});
