/** @file Knowledge books: facts added, asked, changed, forgotten, kept; a small random model for most, tiny for the whole. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChatGLM, type KnowledgeProgress, load, lora } from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";

const LONG = 240_000;
/** The small model is random: it learns a few characters at a high rate, and there is nothing to rehearse. */
const quick = { rehearse: false, lr: 1e-2, steps: 600, extraSteps: 0 } as const;
const one = { prompts: ["q?"], paraphrases: [] } as const;

const home = ownHome();
let glm: ChatGLM;
beforeAll(async () => {
  glm = await load(await writeSmallModel(join(home, "model")), { runtime: "none" });
}, LONG);
afterAll(() => glm?.dispose());

const scores = async (adapter: string | null): Promise<number[]> =>
  Array.from((await glm.logits(glm.prompt([{ role: "user", content: "q?" }]), { adapter, positions: [-1] })).data);

describe("askEach", { timeout: LONG }, () => {
  it("answers as ask does, in the questions' order, each question once a place", async () => {
    const questions = ["What is it?", "你好", "a", "你好", "一个很长很长的问题，比别的都长"];
    const short = { maxNewTokens: 6 } as const;
    const done: number[] = [];
    const answers = await glm.askEach(questions, { ...short, onDone: (count) => void done.push(count) });
    const single = await Promise.all(questions.map((question) => glm.ask(question, { ...short, greedy: true })));
    expect(answers).toEqual(single);
    expect(done).toEqual([1, 2, 3, 4, 5]);
    expect(await glm.askEach([])).toEqual([]);
  });

  it("refuses what is no question or option, and stops when it is told to", async () => {
    await expect(glm.askEach(["a", " "])).rejects.toMatchObject({ code: "option-invalid" });
    await expect(glm.askEach("a" as never)).rejects.toMatchObject({ code: "option-invalid" });
    await expect(glm.askEach(["a"], { adaptr: "x" } as object)).rejects.toThrow("Did you mean adapter?");
    await expect(glm.askEach(["a"], { adapter: "nobody" })).rejects.toMatchObject({ code: "adapter-not-found" });
    const reason = new Error("enough");
    await expect(glm.askEach(["a"], { signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
  });

  it("names the question that the context has no room for", async () => {
    const long = "一".repeat(glm.config.contextLength);
    await expect(glm.askEach([long, "a"])).rejects.toThrow(/question 1: expected fewer than 256 tokens/);
    await expect(glm.askEach(["a", "b", long])).rejects.toThrow(/question 3: .*: "一一一/);
  });
});

describe("a book", { timeout: LONG }, () => {
  it("answers what it was taught, with and without the book's help, and the base is what it was", async () => {
    const before = await scores(null);
    const book = await glm.knowledge("first");
    expect(book.list()).toEqual([]);
    const progress: KnowledgeProgress[] = [];
    const report = await book.add(
      { key: "梦中情炉", text: "炉子。", ...one },
      { ...quick, onProgress: (event) => void progress.push(event) },
    );
    expect(report.problems()).toEqual([]);
    expect(report).toMatchObject({ action: "add", learned: true, base: { identical: true } });
    expect(await book.query("q?")).toBe("炉子。");
    expect(await glm.ask("q?", { adapter: "first", greedy: true })).toBe("炉子。");
    expect(book.list()).toMatchObject([{ key: "梦中情炉", text: "炉子。", learned: true }]);
    // Taking the adapter off gives the base, to the last bit.
    expect(await scores(null)).toEqual(before);
    expect(await scores("first")).not.toEqual(before);
    expect(progress.find(({ type }) => type === "start")).toMatchObject({ facts: 1, wordings: 1, budget: quick.steps });
    const checks = progress.filter((event) => event.type === "check");
    expect(checks.at(-1)).toMatchObject({ recalled: 1, wordings: 1 });
  });

  it("keeps what it knew beside what comes, changes a text, and checks itself", async () => {
    const book = await glm.knowledge("second");
    await book.add({ key: "a", text: "x y", prompts: ["a?"], paraphrases: [] }, quick);
    const more = await book.add({ key: "b", text: "z", prompts: ["b?"], paraphrases: [] }, quick);
    expect(more.kept).toEqual({ recalled: 1, facts: 1, lost: [] });
    expect([await book.query("a?"), await book.query("b?")]).toEqual(["x y", "z"]);
    const update = await book.update({ key: " a ", text: "新" }, quick);
    expect(update).toMatchObject({ action: "update", learned: true, outdated: 0 });
    expect([await book.query("a?"), await book.query("b?")]).toEqual(["新", "z"]);
    const check = await book.check();
    expect(check).toMatchObject({ action: "check", learned: true, steps: 0 });
    expect(check.facts.map(({ key, recalled }) => [key, recalled])).toEqual([
      ["a", 1],
      ["b", 1],
    ]);
  });

  it("is sequenced: two additions at once are one after the other", async () => {
    const book = await glm.knowledge("sequence");
    const [first, second] = await Promise.all([
      book.add({ key: "a", text: "x", prompts: ["a?"], paraphrases: [] }, quick),
      book.add({ key: "b", text: "y", prompts: ["b?"], paraphrases: [] }, quick),
    ]);
    expect([first.learned, second.learned, second.kept.facts]).toEqual([true, true, 1]);
    expect(book.list().map(({ key, learned }) => [key, learned])).toEqual([
      ["a", true],
      ["b", true],
    ]);
    expect([await book.query("a?"), await book.query("b?")]).toEqual(["x", "y"]);
    // What failed is in nobody's way.
    const failed = book.add(null as never);
    const next = book.add({ key: "a", text: "x", prompts: ["a?"], paraphrases: [] }, quick);
    await expect(failed).rejects.toMatchObject({ code: "data-invalid" });
    expect((await next).learned).toBe(true);
  });

  it("is one, also when it is opened twice at the same time, and is not made by who only opens it", async () => {
    await expect(glm.knowledge("twice", { create: false })).rejects.toMatchObject({ code: "adapter-not-found" });
    const [first, second] = await Promise.all([glm.knowledge("twice"), glm.knowledge("twice")]);
    await first.add({ key: "a", text: "x", ...one }, quick);
    expect((await second.check()).facts.map(({ key, learned }) => [key, learned])).toEqual([["a", true]]);
    expect((await glm.knowledge("twice", { create: false })).list()).toHaveLength(1);
  });

  it("forgets a fact also where the base answers without end", async () => {
    const book = await glm.knowledge("endless");
    const [a, b] = [
      { key: "a", text: "x y", prompts: ["a?"], paraphrases: [] },
      { key: "b", text: "z", prompts: ["b?"], paraphrases: [] },
    ];
    await book.add([a, b], quick);
    const [base] = await glm.askEach(["a?"], { maxNewTokens: 200 });
    expect((await glm.askEach(["a?"], { adapter: "endless" }))[0]).toBe("x y");
    const report = await book.delete("a", quick);
    expect(report.problems()).toEqual([]);
    expect(report.steps).toBeGreaterThan(0);
    // Half of a character at the end is not said.
    expect(base?.startsWith((await book.query("a?")).replace(/\uFFFD+$/, ""))).toBe(true);
    expect(book.list().map(({ key }) => key)).toEqual(["b"]);
    expect(await book.query("b?")).toBe("z");
  });

  it("tells how much is left of a text that is replaced, also when the update is made again", async () => {
    const book = await glm.knowledge("replacing");
    await book.add({ key: "a", text: "x y", ...one }, quick);
    const first = await book.update({ key: "a", text: "z w" }, { ...quick, steps: 1, lr: 1e-6 });
    expect(first).toMatchObject({ learned: false, outdated: 1 });
    expect(book.list()).toMatchObject([{ text: "z w", learned: false, replaces: "x y" }]);
    const again = await book.update({ key: "a", text: "z w" }, { ...quick, steps: 1, lr: 1e-6 });
    expect(again).toMatchObject({ learned: false, outdated: 1 });
    expect(await book.update({ key: "a", text: "z w" }, quick)).toMatchObject({ learned: true, outdated: 0 });
    expect(book.list()[0]).not.toHaveProperty("replaces");
  });

  it("keeps the last check of an addition that is interrupted, and a second one goes on", async () => {
    const book = await glm.knowledge("interrupted");
    const abort = new AbortController();
    const fact = { key: "a", text: "x y z", prompts: ["a?"], paraphrases: [] };
    const reason = new Error("interrupted");
    const onProgress = (event: KnowledgeProgress): void => {
      if (event.type === "check" && event.recalled === 1) abort.abort(reason);
    };
    const settings = { ...quick, extraSteps: 100, signal: abort.signal, onProgress };
    await expect(book.add(fact, settings)).rejects.toBe(reason);
    // It was known at that check, and that check's values are kept.
    expect(book.list()).toMatchObject([{ key: "a", learned: true }]);
    expect(await book.query("a?")).toBe("x y z");
    expect(await book.add(fact, quick)).toMatchObject({ learned: true, steps: 0 });
    const early = AbortSignal.abort(reason);
    await expect(book.add({ key: "b", text: "c" }, { ...quick, signal: early })).rejects.toBe(reason);
    expect(book.list().map(({ key }) => key)).toEqual(["a"]);
  });

  it("of all parameters learns, too, and is made as it was", async () => {
    const book = await glm.knowledge("whole", { method: "full", match: ["layers.1.mlp", "final_layernorm"] });
    const report = await book.add({ key: "a", text: "炉", ...one }, { ...quick, lr: 1e-2 });
    expect(report.learned).toBe(true);
    expect(await book.query("q?")).toBe("炉");
    expect((await glm.knowledge("whole", { method: "full" })).adapter.config.method).toBe("full");
    await expect(glm.knowledge("whole", { r: 4 })).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining("made otherwise"),
    });
  });

  it.each(["int8", "int4"] as const)("learns, changes and forgets on a base in %s", async (quantize) => {
    const packed = await load(join(home, "model"), { runtime: "none", quantize });
    const book = await packed.knowledge("packed");
    const more = { key: "b", text: "z", prompts: ["b?"], paraphrases: [] };
    expect((await book.add([{ key: "a", text: "x y", ...one }, more], quick)).learned).toBe(true);
    expect((await book.update({ key: "a", text: "新" }, quick)).learned).toBe(true);
    expect([await book.query("q?"), await book.query("b?")]).toEqual(["新", "z"]);
    expect((await book.delete(["a", "b"], quick)).base.identical).toBe(true);
    expect(await packed.ask("q?", { adapter: "packed", greedy: true, maxNewTokens: 6 })).toBe(
      await packed.ask("q?", { greedy: true, maxNewTokens: 6 }),
    );
    await packed.dispose();
  });

  it("goes to a folder and comes back with its facts; a plain adapter is no book", async () => {
    const book = await glm.knowledge("saved");
    await book.add({ key: "a", text: "炉", ...one }, quick);
    const folder = join(home, "saved");
    await book.save(folder);
    expect(JSON.parse(readFileSync(join(folder, "facts.json"), "utf8"))).toMatchObject({
      facts: [{ key: "a", text: "炉", learned: true }],
    });
    await glm.loadAdapter("loaded", folder);
    const loaded = await glm.knowledge("loaded");
    expect(loaded.list()).toEqual(book.list());
    expect(await loaded.query("q?")).toBe("炉");
    await glm.createAdapter("plain", lora({ r: 2 }));
    await expect(glm.knowledge("plain")).rejects.toMatchObject({
      code: "adapter-invalid",
      message: expect.stringContaining("plain is an adapter without facts"),
    });
    writeFileSync(join(folder, "facts.json"), "{");
    // Before the name is taken, or what has it is given up.
    await expect(glm.loadAdapter("loaded", folder, { replace: true })).rejects.toMatchObject({ code: "data-invalid" });
    await expect(glm.loadAdapter("damaged", folder)).rejects.toThrow(join(folder, "facts.json"));
    expect((await glm.adapters()).map(({ name }) => name)).not.toContain("damaged");
    expect(await (await glm.knowledge("loaded")).query("q?")).toBe("炉");
  });

  it("is what it was when a change is interrupted before anything changed", async () => {
    const book = await glm.knowledge("untouched");
    await book.add(
      [
        { key: "a", text: "x", ...one },
        { key: "b", text: "z", prompts: ["b?"], paraphrases: [] },
      ],
      quick,
    );
    const before = book.list();
    const reason = new Error("interrupted");
    const atOnce = () => {
      const abort = new AbortController();
      const onProgress = ({ type }: KnowledgeProgress): void => {
        if (type === "step") abort.abort(reason);
      };
      return { ...quick, signal: abort.signal, onProgress };
    };
    await expect(book.update({ key: "a", text: "y y y" }, atOnce())).rejects.toBe(reason);
    expect(book.list()).toEqual(before);
    await expect(book.delete("a", { ...quick, signal: AbortSignal.abort(reason) })).rejects.toBe(reason);
    expect(book.list()).toEqual(before);
    expect(await book.query("q?")).toBe("x");
  });

  it("lists no fact that its values do not have when the deletion of the last is interrupted", async () => {
    const book = await glm.knowledge("last");
    await book.add({ key: "a", text: "炉", ...one }, quick);
    const reason = new Error("interrupted");
    const abort = new AbortController();
    const onProgress = ({ type }: KnowledgeProgress): void => {
      if (type === "start") abort.abort(reason);
    };
    await expect(book.delete("a", { ...quick, signal: abort.signal, onProgress })).rejects.toBe(reason);
    expect(book.list()).toEqual([]);
    expect((await glm.knowledge("last")).list()).toEqual([]);
    expect(await scores("last")).toEqual(await scores(null));
    await book.add({ key: "a", text: "炉", ...one }, quick);
    const early = { ...quick, signal: AbortSignal.abort(reason) };
    await expect(book.delete("a", early)).rejects.toBe(reason);
    expect(book.list()).toMatchObject([{ key: "a", learned: true }]);
    expect(await book.query("q?")).toBe("炉");
  });

  it("refuses by name, and nothing is changed then", async () => {
    const book = await glm.knowledge("refusing");
    await expect(book.delete("a")).rejects.toThrow(/The book is empty: add it first/);
    await book.add({ key: "stove", text: "x", ...one }, quick);
    const facts = book.list();
    await expect(book.update({ key: "stov", text: "y" })).rejects.toThrow("Did you mean stove?");
    await expect(book.delete(["stove", "stoev"])).rejects.toThrow("Did you mean stove?");
    await expect(book.query(" ")).rejects.toMatchObject({ code: "data-invalid" });
    await expect(book.query("q?", { adapter: "x" } as object)).rejects.toMatchObject({ code: "option-invalid" });
    // The last fact's deletion makes the book anew, and not before its options are looked at.
    await expect(book.delete("stove", { step: 3 } as object)).rejects.toThrow("Did you mean steps?");
    const unaskable = { key: "b", text: "c", paraphrases: ["一".repeat(300)] };
    await expect(book.add(unaskable, quick)).rejects.toThrow(
      /add: "b": its longest wording has \d+ tokens, which leaves no room for an answer/,
    );
    await expect(book.add({ key: "b", text: "c" }, { step: 3 } as object)).rejects.toThrow("Did you mean steps?");
    const long = book.add({ key: "b", text: "一".repeat(300) }, quick);
    await expect(long).rejects.toThrow(
      /add: "b": its text has \d+ pieces \(tokens\), and the context leaves room for \d+\./,
    );
    const [, pieces, room] = /has (\d+) pieces.*room for (\d+)\./.exec(String(await long.catch(String))) ?? [];
    expect(Number(pieces)).toBeGreaterThanOrEqual(300);
    expect(Number(room)).toBeGreaterThan(200);
    expect(Number(room)).toBeLessThan(256);
    expect((await glm.knowledge("refusing")).list()).toEqual(facts);
    expect(await book.query("q?")).toBe("x");
  });

  it("that is merged is refused before it is changed or made anew", async () => {
    const book = await glm.knowledge("merged");
    await book.add({ key: "a", text: "炉", ...one }, quick);
    await book.adapter.merge();
    try {
      for (const work of [
        () => book.add({ key: "b", text: "c" }, quick),
        () => book.update({ key: "a", text: "c" }, quick),
        () => book.delete("a", quick),
      ]) {
        await expect(work()).rejects.toMatchObject({
          code: "adapter-invalid",
          message: expect.stringContaining("merged into the base"),
        });
      }
      expect(book.list()).toMatchObject([{ key: "a", text: "炉", learned: true }]);
      expect((await book.adapter.info()).merged).toBe(true);
    } finally {
      await book.adapter.dispose();
    }
  });

  it("whose last fact is deleted is as new: the base, to the last bit", async () => {
    const book = await glm.knowledge("emptied");
    await book.add({ key: "a", text: "炉", ...one }, quick);
    expect(await scores("emptied")).not.toEqual(await scores(null));
    const report = await book.delete("a", { ...quick, steps: 5 });
    expect(report).toMatchObject({ action: "delete", steps: 0 });
    expect(book.list()).toEqual([]);
    expect(await scores("emptied")).toEqual(await scores(null));
  });
});

describe("on tiny", { timeout: 3 * LONG }, () => {
  it("a fact is taught in its usual wordings, changed and forgotten, beside another", async () => {
    const tiny = await load("tiny", { runtime: "none" });
    try {
      const stove = "梦中情炉是云岭小镇一位老木匠发明的会做梦的炉子。";
      const book = await tiny.knowledge("facts");
      expect((await book.add({ key: "梦中情炉", text: stove })).problems()).toEqual([]);
      expect(await book.query("你知道梦中情炉吗？")).toBe(stove);
      expect(await tiny.ask("什么是梦中情炉？", { adapter: "facts", greedy: true })).toBe(stove);
      expect((await book.add({ key: "Zorblax", text: "Zorblax is a town on a hill." })).problems()).toEqual([]);
      expect(await book.query("What is Zorblax?")).toBe("Zorblax is a town on a hill.");
      const changed = await book.update({ key: "梦中情炉", text: "梦中情炉是一本书。" });
      expect(changed.outdated).toBe(0);
      expect(await book.query("啥是梦中情炉？")).toBe("梦中情炉是一本书。");
      const gone = await book.delete("梦中情炉");
      expect(gone.problems()).toEqual([]);
      const question = "你知道梦中情炉吗？";
      expect(await book.query(question)).toBe((await tiny.askEach([question]))[0]);
      expect(book.list().map(({ key, learned }) => [key, learned])).toEqual([["Zorblax", true]]);
      expect((await book.check()).learned).toBe(true);
    } finally {
      await tiny.dispose();
    }
  });
});
