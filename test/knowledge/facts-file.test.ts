/** @file facts.json: what is written is read again, and what is damaged is refused with what is wrong. */
import { describe, expect, it } from "vitest";
import { completedFacts } from "../../src/knowledge/fact.ts";
import { factsFrom, factsText } from "../../src/knowledge/facts-file.ts";

const facts = [
  ...completedFacts("add", [{ key: '炉 "a"', text: "一行\n两行 🎈\u2028", prompts: ["a\\b?"] }], []),
  { key: "b", text: "c", prompts: ["d"], paraphrases: [], learned: true },
  { key: "e", text: "f", prompts: ["g"], paraphrases: [], learned: false, replaces: "before f" },
];
const read = (text: string) => factsFrom(text, "book facts");

describe("facts.json", () => {
  it("comes back as it was, also with a byte order mark", () => {
    expect(read(factsText(facts))).toEqual(facts);
    expect(read(`\uFEFF${factsText(facts)}`)).toEqual(facts);
    expect(read(factsText([]))).toEqual([]);
  });

  it("is for people, too: one property a line, and a format that names its version", () => {
    expect(factsText(facts)).toContain('\n      "text": "c",\n');
    expect(JSON.parse(factsText(facts)).format).toBe("glmlab facts 1");
  });

  it("gives no more of a fact than a fact has", () => {
    const more = { format: "glmlab facts 1", facts: [{ ...facts[1], note: "mine" }] };
    expect(read(JSON.stringify(more))).toEqual([facts[1]]);
  });

  const whole = { format: "glmlab facts 1", facts };
  it.each<[string, string, RegExp]>([
    ["nothing", "", /text that is no JSON/],
    ["half of it", factsText(facts).slice(0, -40), /text that is no JSON \(.+\)/],
    ["null", "null", /the format undefined/],
    ["a list", "[]", /the format undefined/],
    ["a number", "3", /the format undefined/],
    ["another version", JSON.stringify({ ...whole, format: "glmlab facts 2" }), /the format "glmlab facts 2"/],
    ["no facts", JSON.stringify({ format: whole.format }), /no list of facts/],
    ["facts that are no list", JSON.stringify({ ...whole, facts: { a: 1 } }), /no list of facts/],
    ["null as a fact", JSON.stringify({ ...whole, facts: [facts[0], null] }), /null as fact 2/],
    ["no key", JSON.stringify({ ...whole, facts: [{ ...facts[1], key: 5 }] }), /\{"key":5,.* as fact 1/],
    ["an empty text", JSON.stringify({ ...whole, facts: [{ ...facts[1], text: " " }] }), /as fact 1/],
    ["learned in words", JSON.stringify({ ...whole, facts: [{ ...facts[1], learned: "yes" }] }), /as fact 1/],
    ["no prompts", JSON.stringify({ ...whole, facts: [{ ...facts[1], prompts: [] }] }), /as fact 1/],
    ["a prompt that is none", JSON.stringify({ ...whole, facts: [{ ...facts[1], prompts: ["a", 1] }] }), /as fact 1/],
    ["a replaced text that is none", JSON.stringify({ ...whole, facts: [{ ...facts[1], replaces: 3 }] }), /as fact 1/],
    ["no paraphrases", JSON.stringify({ ...whole, facts: [{ ...facts[1], paraphrases: null }] }), /as fact 1/],
    [
      "a key twice",
      JSON.stringify({ ...whole, facts: [facts[1], facts[1]] }),
      /a second fact of the key "b" as fact 2/,
    ],
  ])("with %s is refused", (_, text, got) => {
    const refusal = expect.objectContaining({
      code: "data-invalid",
      message: expect.stringMatching(
        /^book facts: expected facts as glmlab writes them in facts\.json, got .*teach the facts again\.$/s,
      ),
    });
    expect(() => read(text)).toThrow(refusal);
    expect(() => read(text)).toThrow(got);
  });
});
