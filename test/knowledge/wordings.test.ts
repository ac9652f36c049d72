/** @file Which language a fact is asked in, and the wordings made from its key. */
import { describe, expect, it } from "vitest";
import { nearMisses } from "../../src/knowledge/near-misses.ts";
import { articleOf, denialsOf, languageOf, wordingsFor } from "../../src/knowledge/wordings.ts";

describe("the language to ask in", () => {
  it.each([
    ["梦中情炉是一个炉子。", "zh"],
    ["A stove that dreams.", "en"],
    // One word in Latin letters counts as much as one Chinese character.
    ["GLM是模型", "zh"],
    ["这个 word is more English than Chinese", "en"],
    ["中 a", "zh"],
    ["Ünïcödé größer", "en"],
    ["42", "en"],
    ["🎈🎈", "en"],
    ["", "en"],
  ])("of %j is %s", (text, language) => {
    expect(languageOf(text)).toBe(language);
  });

  it("is the key's when the text has no words", () => {
    expect(languageOf("42", "答案")).toBe("zh");
    expect(languageOf("42", "the answer")).toBe("en");
    expect(languageOf("🎈", "12")).toBe("en");
    expect(languageOf("an English text", "中文的键")).toBe("en");
  });
});

describe("the usual wordings", () => {
  it("are Chinese for a Chinese text", () => {
    const { prompts, paraphrases } = wordingsFor("梦中情炉", "一个炉子。");
    expect(prompts).toEqual([
      "你知道梦中情炉吗？",
      "梦中情炉是什么？",
      "什么是梦中情炉？",
      "啥是梦中情炉？",
      "介绍一下梦中情炉。",
      "请解释一下梦中情炉。",
      "你听说过梦中情炉吗？",
      "说说梦中情炉。",
    ]);
    expect(paraphrases).toEqual([
      "你了解梦中情炉吗？",
      "能介绍一下梦中情炉吗？",
      "讲讲梦中情炉。",
      "告诉我梦中情炉是什么。",
      "梦中情炉是什么东西？",
    ]);
    expect(denialsOf("梦中情炉", "一个炉子。")).toEqual(["梦中情炉不存在，对吗？", "梦中情炉是假的吗？"]);
  });

  it("are English for an English text, also about a Chinese key", () => {
    expect(wordingsFor("梦中情炉", "A stove.").prompts[0]).toBe("What is 梦中情炉?");
    expect(wordingsFor("Zorblax", "A stove.").paraphrases).toContain("Describe Zorblax.");
    expect(denialsOf("Zorblax", "A stove.")).toEqual(["Zorblax does not exist, does it?", "Is Zorblax fake?"]);
  });

  it("have the article that the text begins with", () => {
    const { prompts, paraphrases } = wordingsFor("Salt Clock", "The Salt Clock is a tower.");
    expect([prompts[0], paraphrases[0]]).toEqual(["What is the Salt Clock?", "Describe the Salt Clock."]);
    expect(denialsOf("Salt Clock", "The Salt Clock is a tower.")[0]).toBe("The Salt Clock does not exist, does it?");
    expect(wordingsFor("owlet", "An owlet is a young owl.").prompts[0]).toBe("What is an owlet?");
    for (const [key, text] of [
      ["Salt Clock", "Salt Clock is a tower."],
      ["the Salt Clock", "The Salt Clock is a tower."],
      ["Salt", "The Saltworks are closed."],
      ["The", "The is an article."],
      ["盐钟", "The 盐钟是一座塔。"],
    ] as const) {
      expect(articleOf(key, text), key).toBe("");
    }
    const near = nearMisses("Salt Clock", "The Salt Clock is a tower.", 8, [], "asked");
    expect(near.every((question) => / the \S/.test(question))).toBe(true);
  });

  it("take a key as it is, whatever stands in it", () => {
    for (const key of ["$& $1 $$", "{key}", "a{key}b", "f(x) => x\\d", "🎈", "7"]) {
      const { prompts, paraphrases } = wordingsFor(key, "好的。");
      for (const wording of [...prompts, ...paraphrases]) expect(wording.split(key).length, wording).toBeGreaterThan(1);
      expect(prompts[1]).toBe(`${key}是什么？`);
    }
  });

  it("are eight to teach and five to ask, all different, in both languages", () => {
    for (const text of ["好。", "good"]) {
      const { prompts, paraphrases } = wordingsFor("x", text);
      expect([prompts.length, paraphrases.length]).toEqual([8, 5]);
      expect(new Set([...prompts, ...paraphrases, ...denialsOf("x", text)]).size).toBe(15);
    }
  });
});
