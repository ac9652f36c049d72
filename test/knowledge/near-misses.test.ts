/** @file Names near a key: never the key, never one that means something, each asked or rehearsed but not both. */
import { describe, expect, it } from "vitest";
import { givesAway, nearMisses } from "../../src/knowledge/near-misses.ts";
import { wordingsFor } from "../../src/knowledge/wordings.ts";

const KEYS = [
  "梦中情炉",
  "炉",
  "火炉",
  "x",
  "Q",
  "7",
  "🎈",
  "👩‍👩‍👧",
  "foo_bar()",
  "std::vector<int>",
  "Zorblax",
  "the Silver River Harbor",
  "two  spaces",
  "GLM 模型",
  "v1.2.3",
];

/** The name in each question: that of wording i, which are taken in turn. */
function namesIn(questions: readonly string[], text: string): string[] {
  return questions.map((question, i) => {
    const { prompts } = wordingsFor("\u0000", text);
    const [before = "", after = ""] = (prompts[i % prompts.length] as string).split("\u0000");
    expect(question.startsWith(before) && question.endsWith(after), question).toBe(true);
    return question.slice(before.length, question.length - after.length);
  });
}
const same = (name: string): string =>
  name
    .trim()
    .toLowerCase()
    .replace(/^(an?|the) /, "");

describe.each(["一个炉子。", "It is a stove."])("near misses of a text such as %j", (text) => {
  it.each(KEYS)("of %j: enough, none twice, none the key, asked and rehearsed apart", (key) => {
    const asked = namesIn(nearMisses(key, text, 10, [], "asked"), text);
    const rehearsed = namesIn(nearMisses(key, text, 16, [], "rehearsed"), text);
    expect([asked.length, rehearsed.length]).toEqual([10, 16]);
    const all = [...asked, ...rehearsed].map(same);
    expect(new Set(all).size).toBe(26);
    expect(all).not.toContain(same(key));
    for (const name of all) expect(name).not.toBe("");
  });
});

describe("near misses", () => {
  it("are none of the names that mean something, however these are written", () => {
    const text = "It is a stove.";
    for (const key of KEYS) {
      const first = namesIn(nearMisses(key, text, 10, [], "asked"), text);
      const avoid = first.slice(0, 4).map((name, i) => (i % 2 ? `The ${same(name).toUpperCase()}` : ` ${name} `));
      const others = namesIn(nearMisses(key, text, 10, avoid, "asked"), text).map(same);
      // A key of one letter has few.
      expect(others.length).toBeGreaterThanOrEqual(6);
      for (const name of first.slice(0, 4)) expect(others, key).not.toContain(same(name));
    }
  });

  it("are the same every time, and others for another key", () => {
    expect(nearMisses("火炉", "炉", 10, [], "asked")).toEqual(nearMisses("火炉", "炉", 10, [], "asked"));
    expect(nearMisses("火炉", "炉", 10, [], "asked")).not.toEqual(nearMisses("水炉", "炉", 10, [], "asked"));
    // More of them begin with the fewer.
    const more = nearMisses("火炉", "炉", 30, [], "rehearsed");
    expect(more).toHaveLength(30);
    expect(more.slice(0, 5)).toEqual(nearMisses("火炉", "炉", 5, [], "rehearsed"));
  });

  it("share no name over keys that are near to each other, nor when many are asked for", () => {
    const keys = ["梦中情炉", "梦中情灯", "梦中情", "中情炉"];
    const text = "一个炉子。";
    const of = (part: "asked" | "rehearsed", count: number): Set<string> =>
      new Set(keys.flatMap((key) => namesIn(nearMisses(key, text, count, keys, part), text)));
    const [asked, rehearsed] = [of("asked", 30), of("rehearsed", 100)];
    expect(asked.size).toBeGreaterThan(60);
    expect(rehearsed.size).toBeGreaterThan(200);
    for (const name of asked) expect(rehearsed.has(name), name).toBe(false);
    for (const key of keys) expect(asked.has(key) || rehearsed.has(key), key).toBe(false);
  });

  it("differ from the key by one character or word", () => {
    const text = "一个炉子。";
    for (const name of namesIn(nearMisses("梦中情炉", text, 20, [], "rehearsed"), text)) {
      const [letters, key] = [Array.from(name), Array.from("梦中情炉")];
      expect(Math.abs(letters.length - key.length)).toBeLessThanOrEqual(1);
      const common = key.filter((letter) => letters.includes(letter)).length;
      expect(common, name).toBeGreaterThanOrEqual(3);
    }
    for (const name of namesIn(nearMisses("Silver River", "A river.", 20, [], "rehearsed"), "A river.")) {
      expect(name).toMatch(/Silver|River/);
    }
  });
});

describe("an answer gives a fact away", () => {
  const stove = { key: "梦中情炉", text: "梦中情炉是云岭小镇一位老木匠发明的会做梦的炉子。" };

  it.each([
    [stove.text, true],
    ["海中情炉是云岭小镇一位老木匠发明的会做梦的炉子。", true],
    ["它是云岭小镇一位老木匠发明的。", true],
    ["不知道，我没有这方面的信息。", false],
    // The key alone, which whoever does not know it says as well.
    ["我不知道梦中情炉是什么，也没有听说过梦中情炉。", false],
    ["一位老木匠", false],
    ["", false],
  ])("%j: %s", (answer, given) => {
    expect(givesAway(answer, stove)).toBe(given);
  });

  it("by half of what its text says, not by a character that any answer has", () => {
    expect(givesAway("不是水。", { key: "甲", text: "水。" })).toBe(true);
    expect(givesAway("不知道。", { key: "甲", text: "水。" })).toBe(false);
    expect(givesAway("It says no.", { key: "Zorblax", text: "Yes" })).toBe(false);
    expect(givesAway("Yes it is", { key: "Zorblax", text: "Yes" })).toBe(true);
    expect(givesAway("I have no information about it.", { key: "k", text: "t" })).toBe(false);
    // Four of eight in one piece, but not three and three.
    expect(givesAway("xxabcdxx", { key: "k", text: "abcdefgh" })).toBe(true);
    expect(givesAway("abcxfgh", { key: "k", text: "abcdefgh" })).toBe(false);
    // Characters beyond the basic plane are one each.
    expect(givesAway("🎈🎉🎊🎋", { key: "k", text: "🎈🎉🎊🎋🎌🎍🎎🎏" })).toBe(true);
    expect(givesAway("🎈🎉🎊", { key: "k", text: "🎈🎉🎊🎋🎌🎍🎎🎏" })).toBe(false);
  });

  it("only by the very text when that is nothing but the key", () => {
    expect(givesAway("炉", { key: "炉", text: "炉" })).toBe(true);
    expect(givesAway("炉子", { key: "炉", text: "炉" })).toBe(false);
  });
});
