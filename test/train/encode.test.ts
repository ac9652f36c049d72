import { expect, test } from "vitest";
import { encodeRows, type RowWriter } from "../../src/train/encode.ts";

const ignored = -100;

/** A family in which every character is a token: its code. 1 and 3 open a prompt, 2 ends an answer. */
const codes = (text: string): number[] => [...text].map((character) => character.codePointAt(0) ?? 0);
const writer: RowWriter = { prompt: (row) => [1, 3, ...codes(row.prompt)], response: (row) => codes(row.response), prefix: 2, end: 2 };
const encode = (prompt: string, response: string, maxLength = 99) => encodeRows([{ prompt, response }], writer, maxLength);

test("the answer and its end are learned, the prompt is not", () => {
  expect(encode("ab", "cd")).toEqual({ inputIds: [[1, 3, 97, 98, 99, 100, 2]], labels: [[ignored, ignored, ignored, ignored, 99, 100, 2]] });
});

test("long rows lose the prompt's start, then the answer's end, never the marks", () => {
  expect(encode("abcdef", "XY", 7).inputIds).toEqual([[1, 3, ...codes("ef"), ...codes("XY"), 2]]);
  expect(encode("abcdef", "XYZ", 7)).toEqual({ inputIds: [[1, 3, ...codes("f"), ...codes("XYZ"), 2]], labels: [[ignored, ignored, ignored, ...codes("XYZ"), 2]] });
  expect(encode("abcdef", "UVWXYZ", 7).inputIds).toEqual([[1, 3, ...codes("f"), ...codes("UVW"), 2]]);
  for (let maxLength = 5; maxLength < 20; maxLength++) {
    const { inputIds: [ids = []], labels: [labels = []] } = encode("prompt", "response", maxLength);
    expect(ids.length).toBe(Math.min(maxLength, 17));
    expect([ids.slice(0, 2), ids.at(-1), labels.at(-1)]).toEqual([[1, 3], 2, 2]);
  }
});

test("rows without an answer are refused by number, senseless lengths by name", () => {
  const rows = [{ prompt: "a", response: "b" }, { prompt: "q", response: "" }, { prompt: "r", response: " " }];
  expect(() => encodeRows(rows, writer, 99)).toThrow(/row 2 \("q"\): expected a response.*\n- row 3/);
  const mute: RowWriter = { ...writer, response: () => [] };
  expect(() => encodeRows(rows.slice(0, 1), mute, 99)).toThrow(expect.objectContaining({ code: "data-invalid" }));
  expect(() => encode("a", "b", 4)).toThrow(/maxLength: expected a whole number of tokens from 5, got 4/);
});
