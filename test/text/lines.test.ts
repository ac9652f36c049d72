/** @file The tokenizers of ChatGLM-6B and GLM-4, in all their file formats, on the published lines and on random ones. */
import { describe, expect, test } from "vitest";
import type { Family } from "../../src/models/family.ts";
import { loadTokenizer } from "../../src/text/load.ts";
import { type Line, readJson, textFixture, wrongIds, wrongTexts } from "./fixtures.ts";

const forms: { form: string; family: Family; expected: string }[] = [
  { form: "chatglm-6b", family: "chatglm-6b", expected: "chatglm-6b" },
  { form: "glm-4-9b", family: "glm-4-9b", expected: "glm-4-9b" },
  { form: "glm-4-9b-hf", family: "glm-4-9b", expected: "glm-4-9b" },
];

describe.each(forms)("$form", ({ form, family, expected }) => {
  test.each([
    ["lines.json.gz", 2018],
    ["random.json.gz", 800],
  ])("%s: ids and texts are the reference's, from the folder alone and with its family named", async (file, count) => {
    const lines = readJson<Line[]>(textFixture(expected, file));
    expect(lines).toHaveLength(count);
    for (const tokenizer of [await loadTokenizer(textFixture(form)), await loadTokenizer(textFixture(form), family)]) {
      expect(wrongIds(tokenizer, lines)).toEqual([]);
      expect(wrongTexts(tokenizer, lines)).toEqual([]);
    }
  });

  // In one word, where time grows with the square in other libraries: minutes, not a second or two.
  test("a text of 100,000 characters is encoded in time", { timeout: 60_000 }, async () => {
    const tokenizer = await loadTokenizer(textFixture(form));
    for (const unit of ["你好世界", " "]) {
      const text = unit.repeat(100_000 / unit.length);
      expect(tokenizer.decode(tokenizer.encode(text)) === text).toBe(true);
    }
  });
});
