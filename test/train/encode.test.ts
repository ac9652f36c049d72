import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { loadTokenizer } from "../../src/text/load.ts";
import { prompt } from "../../src/text/prompt.ts";
import type { Row } from "../../src/train/dataset.ts";
import { encodeRows, messagesOf, type RowWriter, rowWriter } from "../../src/train/encode.ts";

const ignored = -100;

/** A family in which every character is a token: its code. 1 and 3 open a prompt, 2 ends an answer. */
const codes = (text: string): number[] => [...text].map((character) => character.codePointAt(0) ?? 0);
const writer: RowWriter = {
  prompt: (row) => [1, 3, ...codes(row.prompt)],
  response: (row) => codes(row.response),
  prefix: 2,
  suffix: 1,
  opening: [],
  end: 2,
};
const encode = (prompt: string, response: string, maxLength = 99) =>
  encodeRows([{ prompt, response }], writer, maxLength);

test("the answer and its end are learned, the prompt is not", () => {
  expect(encode("ab", "cd")).toEqual({
    inputIds: [[1, 3, 97, 98, 99, 100, 2]],
    labels: [[ignored, ignored, ignored, ignored, 99, 100, 2]],
  });
});

test("long rows lose the prompt's start, then the answer's end, never the marks", () => {
  expect(encode("abcdef", "XY", 7).inputIds).toEqual([[1, 3, ...codes("ef"), ...codes("XY"), 2]]);
  expect(encode("abcdef", "XYZ", 7)).toEqual({
    inputIds: [[1, 3, ...codes("f"), ...codes("XYZ"), 2]],
    labels: [[ignored, ignored, ignored, ...codes("XYZ"), 2]],
  });
  expect(encode("abcdef", "UVWXYZ", 7).inputIds).toEqual([[1, 3, ...codes("f"), ...codes("UVW"), 2]]);
  for (let maxLength = 5; maxLength < 20; maxLength++) {
    const {
      inputIds: [ids = []],
      labels: [labels = []],
    } = encode("prompt", "response", maxLength);
    expect(ids.length).toBe(Math.min(maxLength, 17));
    expect([ids.slice(0, 2), ids.at(-1), labels.at(-1)]).toEqual([[1, 3], 2, 2]);
  }
});

test("rows without an answer are refused by number, senseless lengths by name", () => {
  const rows = [
    { prompt: "a", response: "b" },
    { prompt: "q", response: "" },
    { prompt: "r", response: " " },
  ];
  expect(() => encodeRows(rows, writer, 99)).toThrow(/row 2 \("q"\): expected a response.*\n- row 3/);
  const mute: RowWriter = { ...writer, response: () => [] };
  expect(() => encodeRows(rows.slice(0, 1), mute, 99)).toThrow(expect.objectContaining({ code: "data-invalid" }));
  expect(() => encode("a", "b", 4)).toThrow(/maxLength: expected a whole number of tokens from 5, got 4/);
});

describe("families", () => {
  const tokenizer = (family?: "chatglm2-6b" | "chatglm3-6b") =>
    loadTokenizer(fileURLToPath(new URL("../../models/tiny/", import.meta.url)), family);
  const row: Row = { prompt: "你好", response: "我很好。", history: [["早", "早上好！"]] };
  const learned = (labels: readonly number[] = []): number[] => labels.filter((label) => label !== ignored);

  test("ChatGLM2: the prompt as for chatting, then the answer and eos", async () => {
    const words = await tokenizer("chatglm2-6b");
    const {
      inputIds: [ids = []],
      labels: [labels],
    } = encodeRows([row], rowWriter("chatglm2-6b", words), 999);
    const asked = prompt("chatglm2-6b", words, messagesOf(row));
    expect(ids).toEqual([...asked, ...words.encode("我很好。"), words.specialIds.eos]);
    expect(words.decode(asked)).toBe("[Round 1]\n\n问：早\n\n答：早上好！\n\n[Round 2]\n\n问：你好\n\n答：");
    expect(words.decode(learned(labels))).toBe("我很好。");
    expect(() => encodeRows([row, { ...row, system: "s" }], rowWriter("chatglm2-6b", words), 999)).toThrow(
      /row 2 \("你好"\): .*system messages and tools need chatglm3-6b/,
    );
  });

  test("ChatGLM3: an answer is learned as it would stand in the history", async () => {
    const words = await tokenizer("chatglm3-6b");
    const asked = { ...row, system: "你是助手。" };
    const {
      inputIds: [ids = []],
      labels: [labels],
    } = encodeRows([asked], rowWriter("chatglm3-6b", words), 999);
    const later = prompt("chatglm3-6b", words, [
      ...messagesOf(asked),
      { role: "assistant", content: row.response },
      { role: "user", content: "x" },
    ]);
    expect(later.slice(0, ids.length - 1)).toEqual(ids.slice(0, -1));
    expect(later[ids.length - 1]).toBe(words.specialIds["<|user|>"]);
    expect(ids.at(-1)).toBe(words.specialIds.eos);
    expect(learned(labels)).toEqual([...words.encode("\n"), ...words.encode(row.response), words.specialIds.eos]);
  });
});
