/** @file What is special about ChatGLM-6B's tokenizer: white space, special tokens in texts, the first release's ids. */
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import protobuf from "protobufjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { loadTokenizer } from "../../src/text/load.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";
import { type Line, readJson, textFixture } from "./fixtures.ts";

const names = ["[MASK]", "[gMASK]", "[sMASK]", "<unused_0>", "<sop>", "<eop>", "<ENC>", "<dBLOCK>"];
let tokenizer: Tokenizer;
let folder: string;
beforeAll(async () => {
  tokenizer = await loadTokenizer(textFixture("chatglm-6b"), "chatglm-6b");
  folder = await mkdtemp(join(tmpdir(), "glmlab-ice-text-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("special tokens have the file's ids", () => {
  const { special } = readJson<{ special: Record<string, number> }>(textFixture("chatglm-6b", "chats.json"));
  expect(tokenizer.specialIds).toMatchObject({ ...special, unk: 0, pad: 3, bos: 6004, eos: 6005 });
  expect(tokenizer.vocabularySize).toBe(6008);
});

test("white space comes back, in whatever amounts", () => {
  for (let length = 2; length < 300; length++) {
    const text = `a${" ".repeat(length)}b\n\t\n${"\t".repeat(length % 5)}c`;
    expect(tokenizer.decode(tokenizer.encode(text))).toBe(text);
  }
});

test("special tokens in a user's text stay text, where the published code would read them", () => {
  const control = new Set(names.map((name) => tokenizer.specialIds[name]));
  // The last two become names only when they are normalized.
  for (const text of [...names, ...names.map((name) => `你好${name}ab`), "［gMASK］", "＜sop＞"]) {
    const [published, plain] = [tokenizer.encode(text), tokenizer.encodePlain(text)];
    expect(plain.filter((id) => control.has(id))).toEqual([]);
    expect(tokenizer.decode(plain)).toBe(tokenizer.decode(published));
    expect(published.some((id) => control.has(id))).toBe(true);
  }
  const lines = readJson<Line[]>(textFixture("chatglm-6b", "lines.json.gz"));
  const changed = lines.filter(({ text, ids }) => tokenizer.encodePlain(text).join() !== ids.join());
  expect(changed.length).toBeGreaterThan(0);
  expect(changed.filter(({ text }) => !names.some((name) => text.includes(name)))).toEqual([]);
});

describe("the first release", () => {
  const loadWith = async (files: Record<string, string | Uint8Array>): Promise<Tokenizer> => {
    const place = await mkdtemp(join(folder, "release-"));
    await cp(textFixture("chatglm-6b"), place, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      await (content === "" ? rm(join(place, name)) : writeFile(join(place, name), content));
    }
    return loadTokenizer(place);
  };

  test("has the ids of 20,000 images before those of text, by tokenizer_config.json or by the model's vocabulary", async () => {
    const ids = tokenizer.encode("你好\n  世界").map((id) => id + 20_000);
    for (const files of [
      { "tokenizer_config.json": '{"num_image_tokens": 20000}' },
      { "tokenizer_config.json": "", "config.json": '{"vocab_size": 26128}' },
    ]) {
      const first = await loadWith(files);
      expect(first.encode("你好\n  世界")).toEqual(ids);
      expect(first.decode([...ids, 17, 19_999])).toBe("你好\n  世界");
      expect(first.specialIds).toMatchObject({ "[gMASK]": 26_001, "<sop>": 26_004, pad: 20_003 });
      expect(first.vocabularySize).toBe(26_008);
    }
    const later = await loadWith({ "tokenizer_config.json": "", "config.json": '{"vocab_size": 6128}' });
    expect(later.specialIds.eos).toBe(6005);
  });

  test("has a file without special tokens, white space and bytes, which are added", async () => {
    // Its pieces are the file's own, but for those that the release's code adds.
    const whole = await readFile(textFixture("chatglm-6b", "ice_text.model"));
    const first = await loadWith({ "ice_text.model": withoutAdded(whole), "tokenizer_config.json": "" });
    const added = 8 + 1 + 79 + 256;
    expect(first.vocabularySize).toBe(20_000 + 6008);
    expect(first.specialIds["[MASK]"]).toBe(20_000 + 6008 - added);
    for (const { text, decoded } of readJson<Line[]>(textFixture("chatglm-6b", "lines.json.gz")).slice(0, 300)) {
      expect(first.decode(first.encode(text))).toBe(decoded);
    }
    // Control tokens are not read from text there.
    expect(first.encode("[gMASK]")).not.toContain(first.specialIds["[gMASK]"]);
    expect(first.decode([first.specialIds["[gMASK]"] as number])).toBe("");
  });
});

test("a BPE model has the same white space and special tokens", async () => {
  // tiny's BPE model with ChatGLM-6B's own pieces after its own.
  const place = await mkdtemp(join(folder, "bpe-"));
  const added = ["<n>", "<|tab|>", ...Array.from({ length: 79 }, (_, i) => `<|blank_${i + 2}|>`), ...names];
  const piece = (name: string): Uint8Array => {
    const fields = protobuf.Writer.create().uint32(10).string(name).uint32(24).int32(4).finish();
    return protobuf.Writer.create().uint32(10).bytes(fields).finish();
  };
  const base = await readFile(join(import.meta.dirname, "../../models/tiny/tokenizer.model"));
  await writeFile(join(place, "ice_text.model"), Buffer.concat([base, ...added.map(piece)]));
  const bpe = await loadTokenizer(place, "chatglm-6b");
  const start = bpe.specialIds["<sop>"] as number;
  const text = "你好\n\tworld     <sop> ［sop］";
  expect(bpe.decode(bpe.encode(text))).toBe(text);
  expect(bpe.encode(text).filter((id) => id === start)).toHaveLength(1);
  expect(bpe.encodePlain(text)).not.toContain(start);
  expect(bpe.decode(bpe.encodePlain(text))).toBe(text);
  expect(bpe.encode("\n     ").slice(-2)).toEqual([start - 4 - 81, start - 4 - 79 + 3]);
});

test("a file that SentencePiece does not accept is refused", async () => {
  const place = await mkdtemp(join(folder, "refused-"));
  const whole = await readFile(textFixture("chatglm-6b", "ice_text.model"));
  // It says that there are pieces for bytes, and has none.
  await writeFile(join(place, "ice_text.model"), withoutAdded(whole, []));
  await expect(loadTokenizer(place)).rejects.toThrow(/ice_text\.model: expected a model that SentencePiece accepts/);
});

test("a config or a file that is not ChatGLM-6B's is refused", async () => {
  const place = await mkdtemp(join(folder, "bad-"));
  await cp(textFixture("chatglm-6b"), place, { recursive: true });
  await writeFile(join(place, "tokenizer_config.json"), '{"num_image_tokens": -1}');
  await expect(loadTokenizer(place)).rejects.toThrow(/num_image_tokens is a number of tokens, got -1/);
  await expect(loadTokenizer(textFixture("chatglm-6b"), "chatglm2-6b")).rejects.toThrow(
    /ice_text\.model: expected the tokenizer of chatglm2-6b, got one of chatglm-6b/,
  );
});

/**
 * The model file less the pieces that the first release's code adds: a filter over the protobuf's fields. The settings
 * of its training, field 2, which say that there are pieces for bytes, go too.
 */
function withoutAdded(file: Uint8Array, fields = [2]): Uint8Array {
  const [reader, kept] = [protobuf.Reader.create(file), [] as Uint8Array[]];
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const tag = reader.uint32();
    const field = tag >>> 3;
    if (field === 1) {
      const piece = Buffer.from(reader.bytes()).toString("latin1");
      if (names.some((name) => piece.includes(name)) || /<\|tab\|>|<\|blank_\d+\|>|<0x..>/.test(piece)) continue;
    } else {
      reader.skipType(tag & 7);
      if (fields.includes(field)) continue;
    }
    kept.push(file.subarray(start, reader.pos));
  }
  return Buffer.concat(kept);
}
