import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { messagesOf, type Row } from "../../src/data/row.ts";
import { loadTokenizer } from "../../src/text/load.ts";
import { prompt } from "../../src/text/prompt.ts";
import { cutOf, encodeForModel, encodeRows } from "../../src/train/encode.ts";
import { type RowWriter, rowWriter, withoutOpening } from "../../src/train/row-writer.ts";
import { textFixture } from "../text/fixtures.ts";

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
  role: undefined,
  isWhole: () => true,
  isBlank: () => false,
  turns: () => ({ start: [], messages: [] }),
};
const encode = (prompt: string, response: string, maxLength = 99) =>
  encodeRows([{ prompt, response }], writer, { maxLength });

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

test("no row is longer than a model reads, whatever is asked", () => {
  const rows = [{ prompt: "abcdef", response: "XY" }];
  const lengthOf = (maxLength: number): number | undefined =>
    encodeForModel(rows, writer, { maxLength }, { contextLength: 9 }).inputIds[0]?.length;
  expect([7, 9, 99].map(lengthOf)).toEqual([7, 9, 9]);
});

test("how many rows lost something is counted, answers and prompts apart", () => {
  const rows = [
    { prompt: "ab", response: "XY" },
    { prompt: "abcdef", response: "XY" },
    { prompt: "a", response: "UVWXYZ" },
    { prompt: "abcdef", response: "UVWXYZ" },
  ];
  expect(cutOf(encodeRows(rows, writer, { maxLength: 99 }))).toEqual({ answers: 0, prompts: 0, rows: 0, tokens: 0 });
  expect(cutOf(encodeRows(rows, writer, { maxLength: 7 }))).toEqual({ answers: 2, prompts: 2, rows: 3, tokens: 15 });
  // Exactly as long as allowed is whole.
  expect(cutOf(encodeRows([{ prompt: "ab", response: "XY" }], writer, { maxLength: 7 }))).toEqual({
    answers: 0,
    prompts: 0,
    rows: 0,
    tokens: 0,
  });
  expect(cutOf({ inputIds: [[1]], labels: [[1]] })).toEqual({ answers: 0, prompts: 0, rows: 0, tokens: 0 });
});

test("rows without an answer are refused by number, senseless lengths by name", () => {
  const rows = [
    { prompt: "a", response: "b" },
    { prompt: "q", response: "" },
    { prompt: "r", response: " " },
  ];
  expect(() => encodeRows(rows, writer, { maxLength: 99 })).toThrow(/row 2 \("q"\): expected a response.*\n- row 3/);
  const mute: RowWriter = { ...writer, response: () => [] };
  expect(() => encodeRows(rows.slice(0, 1), mute, { maxLength: 99 })).toThrow(
    expect.objectContaining({ code: "data-invalid" }),
  );
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
    } = encodeRows([row], rowWriter("chatglm2-6b", words), { maxLength: 999 });
    const asked = prompt("chatglm2-6b", words, messagesOf(row));
    expect(ids).toEqual([...asked, ...words.encode("我很好。"), words.specialIds.eos]);
    expect(words.decode(asked)).toBe("[Round 1]\n\n问：早\n\n答：早上好！\n\n[Round 2]\n\n问：你好\n\n答：");
    expect(words.decode(learned(labels))).toBe("我很好。");
    expect(() =>
      encodeRows([row, { ...row, system: "s" }], rowWriter("chatglm2-6b", words), { maxLength: 999 }),
    ).toThrow(/row 2 \("你好"\): .*system messages and tools need chatglm3-6b/);
  });

  test("ChatGLM3: an answer is learned as it would stand in the history", async () => {
    const words = await tokenizer("chatglm3-6b");
    const asked = { ...row, system: "你是助手。" };
    const {
      inputIds: [ids = []],
      labels: [labels],
    } = encodeRows([asked], rowWriter("chatglm3-6b", words), { maxLength: 999 });
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

  test("ChatGLM-6B: the prompt ends where the answer begins, however much of it is cut away", async () => {
    const words = await loadTokenizer(textFixture("chatglm-6b"), "chatglm-6b");
    const { "[gMASK]": mask = -1, "<sop>": start = -1, "<eop>": end = -1 } = words.specialIds;
    const writer = rowWriter("chatglm-6b", words);
    const asked = prompt("chatglm-6b", words, messagesOf(row));
    const answer = [...words.encode("我很好。"), end];
    expect(encodeRows([row], writer, { maxLength: 999 })).toEqual({
      inputIds: [[...asked, ...answer]],
      labels: [[...asked.map(() => ignored), ...answer]],
    });
    expect(asked.slice(-2)).toEqual([mask, start]);
    expect(asked.filter((id) => id === mask || id === start)).toHaveLength(2);
    // The first token of its answer is a space that says nothing.
    expect(() => encodeRows([row], writer, { maxLength: 4 })).toThrow(/room for one character of its answer/);
    for (let maxLength = 5; maxLength < asked.length + answer.length; maxLength++) {
      const { inputIds, labels } = encodeRows([row], writer, { maxLength });
      const [ids = [], [...learnable] = []] = [inputIds[0], labels[0]];
      const begins = ids.indexOf(start);
      expect([ids.length, ids[begins - 1], ids.at(-1)]).toEqual([maxLength, mask, end]);
      expect(learnable).toEqual(ids.map((id, i) => (i > begins ? id : ignored)));
      expect(learned(learnable).length).toBeGreaterThan(1);
    }
    expect(() => encodeRows([row], writer, { maxLength: 3 })).toThrow(/from 4, got 3/);
  });

  test("GLM-4: an answer ends by handing the turn to the user, as in its published fine-tuning", async () => {
    const words = await loadTokenizer(textFixture("glm-4-9b"), "glm-4-9b");
    const {
      inputIds: [ids = []],
      labels: [labels],
    } = encodeRows([{ ...row, system: "s" }], rowWriter("glm-4-9b", words), { maxLength: 999 });
    const later = prompt("glm-4-9b", words, [
      ...messagesOf({ ...row, system: "s" }),
      { role: "assistant", content: row.response },
      { role: "user", content: "" },
    ]);
    // What the model reads in training is what stands in a conversation that goes on.
    expect(ids).toEqual(later.slice(0, ids.length));
    const end = words.specialIds["<|user|>"];
    expect(learned(labels)).toEqual([...words.encode("\n"), ...words.encode("我很好。"), end]);
  });

  test.each(["chatglm-6b", "chatglm2-6b", "chatglm3-6b", "glm-4-9b"] as const)(
    "%s: what a model answered is learned again as the same ids, its opening once",
    async (family) => {
      const isTiny = family === "chatglm2-6b" || family === "chatglm3-6b";
      const words = isTiny ? await tokenizer(family) : await loadTokenizer(textFixture(family), family);
      const writer = rowWriter(family, words);
      const said = writer.response({ prompt: "", response: "hello" });
      const response = words.decode(withoutOpening(said, writer));
      expect(response).toBe("hello");
      expect(writer.response({ prompt: "", response })).toEqual(said);
      // Not every answer begins as the model was taught to.
      expect(withoutOpening(words.encode("hello"), writer)).toEqual(words.encode("hello"));
    },
  );

  test("special tokens in rows are text", async () => {
    const words = await loadTokenizer(textFixture("chatglm-6b"), "chatglm-6b");
    const { inputIds } = encodeRows([{ prompt: "<sop>", response: "<eop>[gMASK]" }], rowWriter("chatglm-6b", words), {
      maxLength: 99,
    });
    const { "<sop>": start, "<eop>": end, "[gMASK]": mask } = words.specialIds;
    expect(inputIds[0]?.filter((id) => [start, end, mask].includes(id))).toEqual([mask, start, end]);
  });
});
