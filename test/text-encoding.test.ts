/** @file UTF-8 is read, and other encodings are called by their names. */
import { describe, expect, it } from "vitest";
import { decodedText } from "../src/text-encoding.ts";

const utf16 = (text: string, isBig = false): Buffer => {
  const bytes = Buffer.from(text, "utf16le");
  return isBig ? bytes.swap16() : bytes;
};
/** 你好，世界 */
const GBK = Buffer.from([0xc4, 0xe3, 0xba, 0xc3, 0xa3, 0xac, 0xca, 0xc0, 0xbd, 0xe7]);
const row = (bytes: Uint8Array): Buffer =>
  Buffer.concat([Buffer.from('{"prompt":"'), bytes, Buffer.from('","response":"a"}')]);

describe("bytes as text", () => {
  it.each(["", "a", "你好 🎂\u0000", "{}\n", "é"])("%j is UTF-8, with a mark and without", (text) => {
    expect(decodedText(Buffer.from(text))).toBe(text);
    expect(decodedText(Buffer.from(`\uFEFF${text}`))).toBe(text);
  });

  it.each([
    ["GBK", row(GBK), "text in GBK", "iconv -f GB18030 "],
    ["UTF-16 with a mark", utf16('\uFEFF{"a": "你"}'), "text in UTF-16LE", "iconv -f UTF-16LE "],
    ["UTF-16 the other way round", utf16('\uFEFF{"a": "你"}', true), "text in UTF-16BE", "iconv -f UTF-16BE "],
    ["UTF-16 without a mark", utf16('{"a": "你"}'), "text in UTF-16LE", "iconv -f UTF-16LE "],
    ["UTF-16BE without a mark", utf16('{"a": "你"}', true), "text in UTF-16BE", "iconv -f UTF-16BE "],
    [
      "Latin-1",
      row(Buffer.from("déjà vu", "latin1")),
      "bytes that are no UTF-8, the first of them at byte 12",
      "UTF-8",
    ],
    ["half of a character", Buffer.from("你好").subarray(0, 5), "bytes that are no UTF-8", "UTF-8"],
    ["a surrogate", Buffer.from([0xed, 0xa0, 0x80]), "bytes that are no UTF-8, the first of them at byte 0", "UTF-8"],
  ])("%s is called so", (_, bytes, got, remedy) => {
    expect(decodedText(bytes)).toEqual({ got: expect.stringContaining(got), remedy: expect.stringContaining(remedy) });
  });
});
