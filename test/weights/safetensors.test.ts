import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GlmError } from "../../src/errors.ts";
import { toFloat32 } from "../../src/float32.ts";
import { randomStream } from "../../src/random.ts";
import { type DType, type Tensor, tensor } from "../../src/tensor.ts";
import { readHeader } from "../../src/weights/header.ts";
import { readSafetensors, readTensor, sourcesOf, writeSafetensors } from "../../src/weights/safetensors.ts";

const published = join(import.meta.dirname, "../fixtures/oracle/chatglm2-6b/lora-qkv/adapter_model.safetensors");
let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-safetensors-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const every: Record<DType, Tensor> = {
  bool: tensor("bool", [3], Uint8Array.of(1, 0, 1)),
  int8: tensor("int8", [3], Int8Array.of(-128, 0, 127)),
  uint8: tensor("uint8", [1], Uint8Array.of(255)),
  float16: tensor("float16", [3], Uint16Array.of(0x3c00, 0xc000, 0x0001)),
  bfloat16: tensor("bfloat16", [1, 2], Uint16Array.of(0x3f80, 0xc049)),
  int32: tensor("int32", [2], Int32Array.of(-(2 ** 31), 7)),
  float32: tensor("float32", [2, 2], Float32Array.of(1.5, -0, Number.NaN, Number.POSITIVE_INFINITY)),
  int64: tensor("int64", [2], BigInt64Array.of(-(2n ** 63n), 9n)),
  float64: tensor("float64", [], Float64Array.of(Math.PI)),
};

test("every type survives writing and reading, aligned to its size", async () => {
  const file = join(folder, "every.safetensors");
  const tensors = { ...every, empty: tensor("float32", [0, 4], new Float32Array()), '名前 "1"': every.int8 };
  await writeSafetensors(file, sourcesOf(tensors), { format: "pt", note: "ü" });
  const back = await readSafetensors(file);
  expect(back.values).toEqual(tensors);
  expect(back.metadata).toEqual({ format: "pt", note: "ü" });
  for (const stored of back.tensors) {
    expect(stored.offset % (every[stored.dtype].data.BYTES_PER_ELEMENT ?? 1)).toBe(0);
    expect(await readTensor(stored)).toEqual(tensors[stored.name as keyof typeof tensors]);
  }
  expect(Math.min(...back.tensors.map((stored) => stored.offset)) % 64).toBe(0);
});

test("offsets are those of the file, as external data needs them", async () => {
  const bytes = await readFile(published);
  const { tensors } = await readHeader(published);
  const stored = tensors.find(({ name }) => name.endsWith("layers.0.self_attention.query_key_value.lora_A.weight"));
  if (!stored) throw new Error("the fixture has no such tensor");
  const values = new Float32Array(
    bytes.buffer.slice(bytes.byteOffset + stored.offset, bytes.byteOffset + stored.offset + stored.bytes),
  );
  expect((await readTensor(stored)).data).toEqual(values);
  expect(values.some((value) => value !== 0)).toBe(true);
});

test("stored numbers as float32", () => {
  const values = (source: Tensor): number[] => [...toFloat32(source).data];
  expect(values(every.float16)).toEqual([1, -2, 2 ** -24]);
  expect(values(tensor("float16", [5], Uint16Array.of(0x7bff, 0x7c00, 0xfc00, 0x7e00, 0x8000)))).toEqual([
    65504,
    Infinity,
    -Infinity,
    NaN,
    -0,
  ]);
  expect(values(every.bfloat16)).toEqual([1, -3.140625]);
  expect(values(every.int64)).toEqual([-(2 ** 63), 9]);
  expect(values(every.int8)).toEqual([-128, 0, 127]);
  expect(values(every.float64)).toEqual([Math.fround(Math.PI)]);
  expect(toFloat32(every.float32)).toBe(every.float32);
});

describe("bad files", () => {
  /** A file with this header and this many bytes behind it. */
  const made = async (header: unknown, dataBytes: number): Promise<string> => {
    const text = new TextEncoder().encode(typeof header === "string" ? header : JSON.stringify(header));
    const bytes = new Uint8Array(8 + text.length + dataBytes);
    new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
    bytes.set(text, 8);
    const file = join(folder, "bad.safetensors");
    await writeFile(file, bytes);
    return file;
  };
  const f32 = (begin: number, end: number, shape: unknown = [(end - begin) / 4], dtype = "F32") => ({
    dtype,
    shape,
    data_offsets: [begin, end],
  });

  test.each([
    ["truncated data", { a: f32(0, 8) }, 4, ["expected", "truncated"]],
    ["data that belongs to nothing", { a: f32(0, 8) }, 12, ['4 bytes after tensor "a" belong to nothing']],
    ["overlap", { a: f32(0, 8), b: f32(4, 12) }, 12, ['tensor "b" overlaps tensor "a" by 4 bytes']],
    ["a hole", { a: f32(0, 8), b: f32(12, 16) }, 16, ['4 bytes between tensor "a" and tensor "b"']],
    ["a shape that lies", { a: f32(0, 8, [3]) }, 8, ["F32 [3] takes 12 bytes, but data_offsets [0, 8] hold 8"]],
    ["an unknown dtype", { a: f32(0, 8, [2], "F4") }, 8, ["expected a dtype among F64, F32", 'got "F4"']],
    ["negative sizes", { a: f32(0, 8, [-2]) }, 8, ["shape of non-negative integers, got [-2]"]],
    ["offsets that run backwards", { a: f32(8, 0, [0]) }, 8, ["data_offsets [8, 0] hold -8"]],
    [
      "several faults at once",
      { a: f32(0, 8, [3]), b: 5, c: { dtype: "F32", shape: [1] } },
      8,
      [
        'tensor "a"',
        'tensor "b": expected an object, got 5',
        'tensor "c": expected data_offsets [begin, end], got nothing',
      ],
    ],
    ["no JSON", "{nonsense", 0, ["header is not JSON"]],
    ["no object", [1, 2], 0, ["header is [1,2], expected an object"]],
  ])("%s", async (_, header, dataBytes, said) => {
    const file = await made(header, dataBytes);
    const error = await readHeader(file).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(GlmError);
    expect(error).toMatchObject({ code: "model-invalid" });
    for (const part of [file, "again", ...said]) expect((error as Error).message).toContain(part);
  });

  test("values that are deep or long are not repeated", async () => {
    const levels = 100_000;
    const file = await made(`{"a": ${"[".repeat(levels)}${"]".repeat(levels)}, "${"b".repeat(levels)}": 1}`, 0);
    const error = await readHeader(file).catch((e: unknown) => e as GlmError);
    expect(error).toMatchObject({ code: "model-invalid" });
    expect((error as GlmError).message).toContain('tensor "a": expected an object, got a list of 1');
    expect((error as GlmError).message.length).toBeLessThan(1000);
  });

  test("a tensor may be called __proto__", async () => {
    const file = await made('{"__proto__": {"dtype": "I8", "shape": [2], "data_offsets": [0, 2]}}', 2);
    const { values } = await readSafetensors(file);
    expect(Object.entries(values)).toEqual([["__proto__", tensor("int8", [2], Int8Array.of(0, 0))]]);
    expect(Object.getPrototypeOf(values)).toBe(Object.prototype);
  });

  test.each([
    ["a Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", /run git lfs pull/],
    ["a web page", "\n<html><body>404</body></html>", /a web page/],
    ["PyTorch's format", "PK\x03\x04".padEnd(100), /a zip archive, as PyTorch writes: name it .bin/],
  ])("%s", async (_, text, message) => {
    const file = join(folder, "other.safetensors");
    await writeFile(file, text);
    await expect(readHeader(file)).rejects.toMatchObject({
      code: "model-invalid",
      message: expect.stringMatching(message),
    });
  });

  test("no file, an empty one, an absurd header length", async () => {
    await expect(readHeader(join(folder, "none"))).rejects.toMatchObject({
      code: "model-not-found",
      message: expect.stringMatching(/none.*cannot be opened/),
    });
    const file = join(folder, "short.safetensors");
    await writeFile(file, new Uint8Array(3));
    await expect(readHeader(file)).rejects.toThrow(/expected at least 8 bytes, got 3/);
    await writeFile(file, new Uint8Array(16).fill(255));
    await expect(readHeader(file)).rejects.toThrow(/expected at most 16777216/);
  });

  test("mutated files are read as they are or refused, never anything else", async () => {
    const original = await readFile(published);
    const random = randomStream(11, "mutations");
    const file = join(folder, "mutated.safetensors");
    const headerBytes = Number(new DataView(original.buffer, original.byteOffset).getBigUint64(0, true));
    let refused = 0;
    for (let i = 0; i < 400; i++) {
      let bytes = Uint8Array.from(original);
      for (let change = random.integer(3); change >= 0; change--) {
        const at = random.integer(8 + headerBytes);
        const kind = random.integer(4);
        if (kind === 0) bytes[at] = random.integer(256);
        else if (kind === 1) bytes = bytes.slice(0, random.integer(bytes.length));
        else if (kind === 2)
          bytes[at] = 0x30 + random.integer(10); // a digit: lengths, shapes and offsets that lie
        else bytes.copyWithin(at, random.integer(8 + headerBytes), at + random.integer(40));
      }
      await writeFile(file, bytes);
      try {
        const { tensors, values } = await readSafetensors(file);
        for (const stored of tensors) {
          expect(stored.offset + stored.bytes).toBeLessThanOrEqual(bytes.length);
          expect(values[stored.name]?.data.byteLength).toBe(stored.bytes);
        }
      } catch (error) {
        if (!(error instanceof GlmError)) throw error;
        expect(error.message).toContain(file);
        refused++;
      }
    }
    expect(refused).toBeGreaterThan(200);
  });
});
