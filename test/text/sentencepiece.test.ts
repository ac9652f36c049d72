/** @file The SentencePiece tokenizer on the model file of `tiny`, against ids computed by PyPI's sentencepiece 0.2.3. */
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { GlmError } from "../../src/errors.ts";
import { loadTokenizer } from "../../src/text/load.ts";
import type { Tokenizer } from "../../src/text/tokenizer.ts";

const tiny = join(import.meta.dirname, "../../models/tiny");
const lines: { text: string; ids: number[] }[] = JSON.parse(
  readFileSync(join(import.meta.dirname, "../fixtures/text/tiny.json"), "utf8"),
);
let tokenizer: Tokenizer;
let folder: string;
beforeAll(async () => {
  tokenizer = await loadTokenizer(tiny);
  folder = await mkdtemp(join(tmpdir(), "glmlab-tokenizer-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("ids equal those of the reference implementation", () => {
  expect(lines.length).toBeGreaterThan(150);
  for (const { text, ids } of lines) expect(tokenizer.encode(text), JSON.stringify(text)).toEqual(ids);
});

test("decoding gives the text back, whatever characters it holds", () => {
  // The mark that stands for a space inside the model is the one character that does not come back as itself.
  for (const { text, ids } of lines) expect(tokenizer.decode(ids)).toBe(text.replaceAll("\u2581", " "));
});

test("the special tokens follow the pieces", () => {
  expect(tokenizer.specialIds).toEqual({
    unk: 0,
    pad: 0,
    bos: 1,
    eos: 2,
    "[MASK]": 4155,
    "[gMASK]": 4156,
    "[sMASK]": 4157,
    sop: 4158,
    eop: 4159,
  });
  expect(tokenizer.vocabularySize).toBe(4160);
});

test("special tokens in a user's text stay text", () => {
  const control = new Set(Object.values(tokenizer.specialIds));
  for (const text of ["</s>", "<s>", "<unk>", "[gMASK]", "sop", "<|user|>", "a</s>b", "<0x0A>"]) {
    const ids = tokenizer.encode(text);
    expect(ids.filter((id) => control.has(id))).toEqual([]);
    expect(tokenizer.decode(ids)).toBe(text);
  }
});

test("special ids and ids outside the vocabulary decode to nothing", () => {
  const [a, b] = [tokenizer.encode("你好"), tokenizer.encode("！")];
  expect(tokenizer.decode([1, 4156, 4158, ...a, 2, ...b.slice(1), 0, 4160, 99_999, -1])).toBe("你好！");
});

test("lone surrogates become replacement characters", () => {
  expect(tokenizer.decode(tokenizer.encode("a\ud83db"))).toBe("a\ufffdb");
});

describe("streams", () => {
  test("never print half a character, and add up to the whole text", () => {
    for (const { ids } of lines) {
      const stream = tokenizer.stream();
      const parts = ids.map((id) => stream.push(id));
      expect(parts.join("")).not.toContain("\ufffd");
      expect(parts.join("") + stream.end()).toBe(tokenizer.decode(ids));
    }
  });

  test("hold the bytes of a character back until it is whole", () => {
    const ids = tokenizer.encode("龘");
    const stream = tokenizer.stream();
    expect(ids.map((id) => stream.push(id))).toEqual(["", "", "", "龘"]);
    expect(stream.end()).toBe("");
  });

  test("end with one replacement character where a character was cut off", () => {
    const stream = tokenizer.stream();
    for (const id of tokenizer.encode("龘").slice(0, -1)) stream.push(id);
    expect(stream.end()).toBe("\ufffd");
  });
});

describe("bad input", () => {
  const failure = async (path: string): Promise<GlmError> => {
    const error: unknown = await loadTokenizer(path).catch((thrown: unknown) => thrown);
    if (!(error instanceof GlmError)) throw new Error(`Expected a GlmError, got ${String(error)}.`);
    return error;
  };

  test("a folder without the file is named", async () => {
    const { code, message } = await failure(join(folder, "nowhere"));
    expect(code).toBe("model-not-found");
    expect(message).toMatch(
      /nowhere: expected tokenizer\.model or .*, got none of them\. Copy the tokenizer.s files [^\n]*$/,
    );
  });

  test("a truncated file, a Git LFS pointer and an empty file are refused", async () => {
    const whole = readFileSync(join(tiny, "tokenizer.model"));
    for (const bytes of [whole.subarray(0, 30_001), Buffer.from("version https://git-lfs.github.com/spec/v1\n"), ""]) {
      await writeFile(join(folder, "tokenizer.model"), bytes);
      const { code, message } = await failure(folder);
      expect(code).toBe("model-invalid");
      expect(message).toContain("expected a SentencePiece model");
    }
  });

  test("a tokenizer_config.json that is not what it should be is refused", async () => {
    await writeFile(join(folder, "tokenizer.model"), readFileSync(join(tiny, "tokenizer.model")));
    for (const text of ["{", '{"special_tokens": "sop"}', '{"special_tokens": [1]}']) {
      await writeFile(join(folder, "tokenizer_config.json"), text);
      expect((await failure(folder)).message).toContain("tokenizer_config.json");
    }
  });
});
