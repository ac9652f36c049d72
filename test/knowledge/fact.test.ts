/** @file Facts as they are given: completed, and refused with what is wrong and whose it is. */
import { describe, expect, it } from "vitest";
import { GlmError } from "../../src/errors.ts";
import {
  completedFacts,
  type Fact,
  type FactInput,
  factsInvalid,
  judgedFact,
  updatedFact,
} from "../../src/knowledge/fact.ts";
import { wordingsFor } from "../../src/knowledge/wordings.ts";
import { quoted } from "../../src/text-cut.ts";

const complete = (given: unknown, book: readonly Fact[] = []): Fact[] =>
  completedFacts("add", given as FactInput, book);

/** The whole message of a refusal. */
function refused(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    expect(error).toBeInstanceOf(GlmError);
    expect((error as GlmError).code).toBe("data-invalid");
    return (error as GlmError).message;
  }
  throw new Error("this must be refused");
}

describe("a fact", () => {
  it("gets the usual wordings in its text's language, and is not learnt", () => {
    expect(complete({ key: " 梦中情炉 ", text: "\n一个炉子。 " })).toEqual([
      { key: "梦中情炉", text: "一个炉子。", ...wordingsFor("梦中情炉", "一个炉子。"), learned: false },
    ]);
    expect(complete([{ key: "梦中情炉", text: "A stove." }])[0]?.prompts[0]).toBe("What is 梦中情炉?");
  });

  it("keeps wordings of its own, and is asked the usual others but for those that it teaches", () => {
    const [fact] = complete({ key: "x", text: "好。", prompts: [" 讲讲x。", "x？"] });
    expect(fact?.prompts).toEqual(["讲讲x。", "x？"]);
    expect(fact?.paraphrases).toEqual(["你了解x吗？", "能介绍一下x吗？", "告诉我x是什么。", "x是什么东西？"]);
    expect(complete({ key: "x", text: "好。", paraphrases: [] })[0]?.paraphrases).toEqual([]);
    expect(complete({ key: "x", text: "好。", prompts: undefined })[0]?.prompts).toHaveLength(8);
  });

  it("may have a text of several lines, of digits or of emoji, and such a key on one line", () => {
    expect(complete({ key: "7", text: "1\n2" })[0]).toMatchObject({ key: "7", text: "1\n2" });
    expect(complete({ key: "🎈", text: "🎉" })[0]?.prompts[0]).toBe("What is 🎈?");
  });

  it("that is known with the same text is taken again; so is a book's own fact", () => {
    const book = complete({ key: "x", text: "好。" });
    expect(complete({ key: "x", text: "好。" }, book)).toEqual(book);
    expect(complete(book.map((fact) => ({ ...fact, learned: true })))).toEqual(book);
    const twice = { key: "y", text: "是。" };
    expect(complete([twice, twice])).toHaveLength(1);
  });

  it("may share a wording with another that says the same", () => {
    const prompts = ["谁？"];
    expect(
      complete([
        { key: "a", text: "我。", prompts },
        { key: "b", text: "我。", prompts },
      ]),
    ).toHaveLength(2);
  });
});

describe("what cannot be used is refused by name", () => {
  const fine = { key: "x", text: "好。" };
  it.each<[string, unknown, string]>([
    ["nothing", [], "add: expected a fact { key, text } or a list of them, got an empty list."],
    ["null", null, "add: expected an object { key, text }, got null."],
    ["undefined", undefined, "add: expected an object { key, text }, got undefined."],
    ["a string", "x", 'add: expected an object { key, text }, got "x".'],
    ["a number in a list", [fine, 3], "add: fact 2: expected an object { key, text }, got 3."],
    ["an empty text", { ...fine, text: "" }, 'add: text: expected what is to be answered about "x", got "".'],
    ["a text of spaces", { ...fine, text: " \n" }, 'add: text: expected what is to be answered about "x", got " \\n".'],
    ["no text", { key: "x" }, 'add: text: expected what is to be answered about "x", got undefined.'],
    ["no key", { text: "a" }, "add: key: expected a name with letters or digits in it, got undefined."],
    ["an empty key", { ...fine, key: " " }, 'add: key: expected a name with letters or digits in it, got " ".'],
    [
      "a key of punctuation",
      { ...fine, key: "？！" },
      'add: key: expected a name with letters or digits in it, got "？！".',
    ],
    ["a key of two lines", { ...fine, key: "a\nb" }, 'add: key: expected one line, got "a\\nb".'],
    [
      "an unknown property",
      { ...fine, txt: "a", way: 1 },
      "add: txt, way: expected key, text, prompts, paraphrases and nothing else.",
    ],
    [
      "no prompts",
      { ...fine, prompts: [] },
      "add: prompts: expected at least one question, got an empty list. Leave it out for the usual ones.",
    ],
    ["prompts that are no list", { ...fine, prompts: "x" }, 'add: prompts: expected a list of questions, got "x".'],
    ["prompts that are null", { ...fine, prompts: null }, "add: prompts: expected a list of questions, got null."],
    ["an empty prompt", { ...fine, prompts: ["a", " "] }, 'add: prompts: expected questions, got " " in place 2.'],
    ["a prompt that is no text", { ...fine, prompts: [5] }, "add: prompts: expected questions, got 5 in place 1."],
    ["equal prompts", { ...fine, prompts: ["a", "b", " a"] }, 'add: prompts: "a" is there twice.'],
    ["equal paraphrases", { ...fine, paraphrases: ["a", "a"] }, 'add: paraphrases: "a" is there twice.'],
    [
      "a paraphrase that is taught",
      { ...fine, prompts: ["a", "b"], paraphrases: ["c", "b "] },
      'add: paraphrases: "b " is among the prompts, too; paraphrases are never taught. Leave it out of one.',
    ],
    [
      "a key twice, with two texts",
      [fine, { key: " x", text: "坏。" }],
      'add: fact 2: "x" is given twice, with the texts "好。" and "坏。". Leave one of them out.',
    ],
    [
      "a key twice, with other wordings",
      [fine, { ...fine, prompts: ["x？"] }],
      'add: fact 2: "x" is given twice, with other wordings. Leave one of them out.',
    ],
    [
      "two facts of one wording",
      [
        { key: "a", text: "一。", prompts: ["谁？", "a？"] },
        { key: "b", text: "二。", prompts: ["b？", "谁？"] },
      ],
      'add: "a" and "b" share the wording "谁？" and have different texts. Give one of them other prompts.',
    ],
  ])("%s", (_, given, message) => {
    expect(refused(() => complete(given))).toBe(message);
  });

  it("halves of characters, wherever they are: a model would learn U+FFFD instead", () => {
    const half = "🎂".slice(0, 1);
    const at = (place: number): string => `expected whole characters, got half of one (U+D83C) at ${place}.`;
    expect(refused(() => complete({ key: `a${half}`, text: "b" }))).toContain(`key: ${at(1)}`);
    expect(refused(() => complete({ key: "a", text: `生日${half}` }))).toContain(`text: ${at(2)}`);
    expect(refused(() => complete({ key: "a", text: "b", prompts: ["c", half] }))).toContain(`prompts: ${at(0)}`);
    expect(complete({ key: "a", text: "b🎂" })[0]?.text).toBe("b🎂");
  });

  it("a key that the book has with another text, and a wording that it has", () => {
    const book = complete({ key: "x", text: "好。", prompts: ["谁？"] });
    expect(refused(() => complete({ key: "x", text: "坏。" }, book))).toBe(
      'add: "x" is there already with another text: "好。". Change it with update, or delete it first.',
    );
    expect(refused(() => complete({ key: "y", text: "坏。", prompts: ["谁？"] }, book))).toBe(
      'add: "x" and "y" share the wording "谁？" and have different texts. Give one of them other prompts.',
    );
  });

  it("all faults at once, but no more than ten", () => {
    const message = refused(() => complete([{ key: "?", text: "" }, { key: "a", text: "b" }, null]));
    expect(message.split("\n")).toEqual([
      "add:",
      '- fact 1: key: expected a name with letters or digits in it, got "?".',
      '- fact 1: text: expected what is to be answered about "?", got "".',
      "- fact 3: expected an object { key, text }, got null.",
    ]);
    const many = refused(() => complete(Array(25).fill(null))).split("\n");
    expect(many).toHaveLength(12);
    expect(many.at(-1)).toBe("- and 15 more");
  });

  it("shortened where it is long, between characters", () => {
    expect(quoted("🎈".repeat(61))).toBe(`"${"🎈".repeat(57)}..."`);
    expect(quoted("🎈".repeat(60))).toBe(`"${"🎈".repeat(60)}"`);
    expect(factsInvalid("x", ["a."]).message).toBe("x: a.");
  });
});

describe("an updated fact", () => {
  const book = complete([
    { key: "usual", text: "好。" },
    { key: "own", text: "好。", prompts: ["own？", "讲讲own。"] },
    { key: "asked", text: "好。", paraphrases: ["asked?"] },
  ]);
  const update = (input: Partial<FactInput> & { key: string }): Fact =>
    updatedFact("update", input as FactInput, book.find(({ key }) => key === input.key) as Fact, book);

  it("is asked in the new text's language, unless its wordings are its own", () => {
    const usual = update({ key: "usual", text: "Good." });
    const made = { key: "usual", text: "Good.", ...wordingsFor("usual", "Good."), learned: false };
    expect(usual).toEqual({ ...made, replaces: "好。" });
    const own = update({ key: "own", text: "Good." });
    expect(own.prompts).toEqual(["own？", "讲讲own。"]);
    expect(own.paraphrases).toEqual(wordingsFor("own", "Good.").paraphrases);
    const asked = update({ key: "asked", text: "Good." });
    expect([asked.prompts[0], asked.paraphrases]).toEqual(["What is asked?", ["asked?"]]);
  });

  it("remembers what it replaces until it is learnt, however often it is asked for", () => {
    const [usual] = book as [Fact];
    const change = (text: string, before: Fact): Fact => updatedFact("update", { key: "usual", text }, before, book);
    expect(change("好。", usual)).not.toHaveProperty("replaces");
    const once = change("坏。", usual);
    expect([once.replaces, change("坏。", once).replaces, change("大。", once).replaces]).toEqual([
      "好。",
      "好。",
      "坏。",
    ]);
    expect(judgedFact(once, false)).toEqual(once);
    expect(judgedFact(once, true)).not.toHaveProperty("replaces");
    expect(judgedFact(once, true).learned).toBe(true);
    // Given to another book, it replaces nothing there.
    expect(complete(once)[0]).not.toHaveProperty("replaces");
  });

  it("takes new wordings, and what is taught now is no paraphrase any more", () => {
    expect(update({ key: "usual", text: "坏。", prompts: ["讲讲usual。"] })).toMatchObject({
      prompts: ["讲讲usual。"],
      paraphrases: ["你了解usual吗？", "能介绍一下usual吗？", "告诉我usual是什么。", "usual是什么东西？"],
    });
    expect(update({ key: "own", text: "坏。", prompts: ["你了解own吗？"] }).paraphrases).not.toContain("你了解own吗？");
    expect(update({ key: "asked", text: "坏。", prompts: ["asked?"] }).paraphrases).toEqual([]);
  });

  it("is refused like any other, by the name of what was called", () => {
    expect(refused(() => update({ key: "usual", text: "" }))).toBe(
      'update: text: expected what is to be answered about "usual", got "".',
    );
    expect(refused(() => update({ key: "usual", text: "坏。", prompts: "x" as never }))).toContain("update: prompts:");
    expect(refused(() => update({ key: "usual", text: "坏。", prompts: ["own？"] }))).toBe(
      'update: "own" and "usual" share the wording "own？" and have different texts. Give one of them other prompts.',
    );
  });
});
