import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { op, pickledDict, rebuiltTensor } from "../../scripts/fuzz/pickle-writer.ts";
import { type EntryToZip, recordsOf, type ZipOptions, zipped } from "../../scripts/fuzz/zip-file.ts";
import type { TensorToPickle } from "../../src/weights/pickle-writer.ts";
import { readTensor } from "../../src/weights/safetensors.ts";
import { readTorch } from "../../src/weights/torch.ts";

let folder: string;
let file: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-zip-"));
  file = join(folder, "pytorch_model.bin");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const numbers = Float32Array.of(1, 2, 3, 4, 5, 6);
const content = new Uint8Array(numbers.buffer);
const describeTensor = (changes: Partial<TensorToPickle> = {}): string =>
  rebuiltTensor({ key: "0", elements: 6, shape: [2, 3], ...changes });
const pickle = (tensor = describeTensor()): EntryToZip => ({
  name: "m/data.pkl",
  content: pickledDict([op.text("a"), tensor]),
});
const data: EntryToZip = { name: "m/data/0", content };

async function write(entries: readonly EntryToZip[], options?: ZipOptions): Promise<void> {
  await writeFile(file, zipped(entries, options));
}

async function expectNumbers(): Promise<void> {
  const [stored, ...more] = await readTorch(file);
  expect(more).toEqual([]);
  if (!stored) throw new Error("no tensor was found");
  expect(stored).toMatchObject({ name: "a", dtype: "float32", shape: [2, 3], file, bytes: 24 });
  expect(await readTensor(stored)).toEqual({ dtype: "float32", shape: [2, 3], data: numbers });
}

const refused = (message: RegExp, code = "model-invalid"): Promise<void> =>
  expect(readTorch(file)).rejects.toMatchObject({ code, message: expect.stringMatching(message) });

describe("archives of every honest kind are read", () => {
  test.each([
    ["32-bit records", {}],
    ["64-bit records", { zip64: true }],
    ["a comment", { comment: "made by hand" }],
    ["a comment that looks like a directory's end", { comment: "PK\x05\x06".padEnd(40, "x") }],
  ] as [string, ZipOptions][])("%s", async (_, options) => {
    await write([pickle(), data], options);
    await expectNumbers();
    await write([data, { name: "m/", content: Buffer.alloc(0) }, pickle()], options);
    await expectNumbers();
  });

  // Windows fills the hole with zeros, for a minute.
  test.skipIf(process.platform === "win32")("entries beyond 4 GiB, found by their 64-bit offsets", async () => {
    const far = 5 * 2 ** 30;
    const handle = await open(file, "w");
    // A hole, of which the disk holds nothing, behind the signature of a zip file.
    await handle.write(Buffer.from("PK\x03\x04", "latin1"), 0, 4, 0);
    await handle.write(zipped([pickle(), data], { zip64: true }, far), 0, undefined, far);
    await handle.close();
    expect((await readTorch(file))[0]?.offset).toBeGreaterThan(far);
    await expectNumbers();
  });
});

describe("records that lie are refused", () => {
  const [local, central, end] = ["PK\x03\x04", "PK\x01\x02", "PK\x05\x06"].map((text) => Buffer.from(text, "latin1"));
  const [locator, wideEnd] = ["PK\x06\x07", "PK\x06\x06"].map((text) => Buffer.from(text, "latin1"));

  /** Writes an archive with one integer changed, `at` bytes after the first `signature`. */
  async function patch(signature: Buffer | undefined, at: number, size: 2 | 4 | 8, value: number): Promise<void> {
    const bytes = zipped([data, pickle()], { zip64: signature === locator || signature === wideEnd });
    const place = bytes.indexOf(signature as Buffer) + at;
    if (size === 8) bytes.writeBigUInt64LE(BigInt(value), place);
    else bytes.writeUIntLE(value, place, size);
    await writeFile(file, bytes);
  }

  test.each([
    ["a directory that is too long", end, 12, 4, 99999, /should end at/],
    ["a directory elsewhere", end, 16, 4, 3, /should end at/],
    ["a comment that is not there", end, 20, 2, 9, /found none: it is truncated/],
    ["a 64-bit record elsewhere", locator, 8, 8, 2 ** 52, /zip64 record at 4503599627370496 lies outside/],
    ["a 64-bit record that is none", locator, 8, 8, 0, /expected a zip64 record at 0/],
    ["a 64-bit directory elsewhere", wideEnd, 48, 8, 2 ** 60, /should end at/],
    ["a 64-bit directory that is too long", wideEnd, 40, 8, 2 ** 60, /should end at/],
    ["no entry where one should be", central, 0, 4, 0, /expected the signature of an entry/],
    ["a size that differs from the packed one", central, 24, 4, 20, /in 24 bytes instead of 20/],
    ["a name longer than the directory", central, 28, 2, 60000, /cut off/],
    ["an offset in the wrong place", central, 42, 4, 5, /"m\/data\/0": expected its header at 5/],
    ["an offset beyond the file", central, 42, 4, 0xfffffff0, /"m\/data\/0" begins at 4294967280, where others lie/],
    ["an offset of another entry", central, 42, 4, 62, /where others lie/],
    ["a 64-bit offset that is missing", central, 42, 4, 0xffffffff, /a size of 64 bits is missing/],
    ["a header without a signature", local, 3, 2, 0, /begins|expected/],
    ["another name in the header", local, 26, 2, 7, /header contradicts the directory/],
    ["another method in the header", local, 8, 2, 8, /header contradicts the directory/],
    ["content that begins later", local, 28, 2, 4, /24 bytes at \d+ reach beyond/],
  ] as const)("%s", async (_, signature, at, size, value, message) => {
    await patch(signature, at, size, value);
    await refused(message);
  });

  test.each([
    ["encrypted", central, 8, 1, /"m\/data\/0" is encrypted.*without a password/],
    ["encrypted, the stronger way", central, 10, 99, /"m\/data\/0" is encrypted/],
    ["compressed", central, 10, 8, /"m\/data\/0" compressed \(zip method 8\)/],
    ["on several disks", end, 4, 1, /a zip file in one part/],
    ["with part of its entries", end, 8, 7, /a zip file in one part/],
  ] as const)("%s: unsupported", async (_, signature, at, value, message) => {
    await patch(signature, at, 2, value);
    await refused(message, "unsupported");
  });

  test("counts that are too large, or too small", async () => {
    const bytes = zipped([data, pickle()], { zip64: true });
    const at = bytes.indexOf(wideEnd as Buffer);
    for (const [count, message] of [
      [2 ** 40, /claims 1099511627776 entries/],
      [3, /cut off/],
      [1, /but 1 entries take/],
    ] as const) {
      bytes.writeBigUInt64LE(BigInt(count), at + 24);
      bytes.writeBigUInt64LE(BigInt(count), at + 32);
      await writeFile(file, bytes);
      await refused(message);
    }
  });
});

test("no single bit of a header's own lengths can be wrong unseen", async () => {
  const original = await readFile(join(import.meta.dirname, "../fixtures/torch/old/1.6.bin"));
  const used = recordsOf(original).local.slice(1, -1);
  for (const header of used) {
    for (let bit = 0; bit < 32; bit += 1) {
      const bytes = Buffer.from(original);
      bytes.writeUInt32LE((bytes.readUInt32LE(header + 26) ^ (1 << bit)) >>> 0, header + 26);
      await writeFile(file, bytes);
      await refused(/is damaged or not a zip file/);
    }
  }
  expect(used).toHaveLength(12);
});

describe("archives that hold something else are refused", () => {
  test.each([
    ["no pickle", [data], /expected one entry NAME\/data.pkl in the archive, found 0/],
    ["two models", [pickle(), data, { ...pickle(), name: "n/data.pkl" }], /found 2/],
    ["the same name twice", [pickle(), data, data], /two entries named "m\/data\/0"/],
    ["no numbers", [pickle()], /"a": its storage "0" is missing from the archive/],
    [
      "a storage of another size",
      [pickle(describeTensor({ elements: 7 })), data],
      /7 x float32 takes 28 bytes, but.* has 24/,
    ],
    [
      "a tensor beyond its storage",
      [pickle(describeTensor({ offset: 1 })), data],
      /\[2,3\] at 1 needs more than its storage/,
    ],
    ["a tensor beyond numbers", [pickle(describeTensor({ shape: [2 ** 20, 2 ** 20] })), data], /needs more than/],
    ["a key that leads elsewhere", [pickle(describeTensor({ key: "../data.pkl" })), data], /"..\/data.pkl" is missing/],
    ["a damaged pickle", [{ ...pickle(), says: { crc: 1 } }, data], /does not match its checksum/],
    [
      "a byte order that is none",
      [pickle(), data, { name: "m/byteorder", content: Buffer.from("?") }],
      /byte order is "\?"/,
    ],
    [
      "a huge pickle",
      [{ ...pickle(), content: Buffer.alloc(17 * 2 ** 20) }],
      /17825792 bytes, expected at most 16777216/,
    ],
  ] as [string, EntryToZip[], RegExp][])("%s", async (_, entries, message) => {
    await write(entries);
    await refused(message);
  });

  test("a file that was cut anywhere", async () => {
    const bytes = zipped([pickle(), data], { comment: "end" });
    for (let length = 0; length < bytes.length; length += 1) {
      await writeFile(file, bytes.subarray(0, length));
      await refused(/is damaged or not/);
    }
  });

  test.each([
    ["a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", /run git lfs pull/],
    ["a web page", "<!DOCTYPE html><html>", /web page/],
    ["nothing", "", /it is empty/],
    ["something", "x".repeat(100), /expected a zip archive, got something else/],
  ])("%s", async (_, text, message) => {
    await writeFile(file, text);
    await refused(message);
  });

  test("a file that is missing, a folder in its place", async () => {
    await rm(file);
    await refused(/cannot be opened/, "model-not-found");
    await expect(readTorch(folder)).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringMatching(/folder|director/),
    });
  });
});
