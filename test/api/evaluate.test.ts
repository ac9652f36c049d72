/** @file Evaluations of a small real model: what is answered and how it is scored, side by side, saved, and refused. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChatGLM, type EvaluateProgress, load, lora, rubric } from "../../src/index.ts";
import { bleu4 } from "../../src/scores/bleu.ts";
import { sayable } from "../../src/text/answer.ts";
import { ownHome } from "../home.ts";
import { VOCABULARY_WITH_ROLES, writeSmallModel } from "../small-model.ts";

const LONG = 120_000;
const home = ownHome();
let glm: ChatGLM;

const rows = [
  { prompt: "啥是梦中情炉？", response: "一个炉子。" },
  { prompt: "What is it?", response: "A stove.", history: [["a", "b"]] as [string, string][] },
  { prompt: "一", response: "二" },
];
const short = { maxNewTokens: 10 };

beforeAll(async () => {
  glm = await load(await writeSmallModel(join(home, "model")), { runtime: "none" });
  const adapter = await glm.createAdapter("taught", lora({ r: 8, targets: ["query_key_value", "dense_h_to_4h"] }));
  for await (const _ of adapter.fit(rows, { epochs: 60, lr: 1e-2 }));
  await glm.createAdapter("new", lora());
}, LONG);
afterAll(() => glm?.dispose());

describe("evaluate", { timeout: LONG }, () => {
  it("answers as ask does, for base and adapters, and scores what was taught", async () => {
    const seen: EvaluateProgress[] = [];
    const evaluation = await glm.evaluate(rows, {
      ...short,
      scores: ["exact", "bleu-4", "perplexity"],
      adapters: [null, "taught", "new"],
      onProgress: (progress) => seen.push(progress),
    });
    expect(evaluation.adapters).toEqual([null, "taught", "new"]);
    for (const [i, { prompt, history }] of rows.entries()) {
      const [base, taught, fresh] = evaluation.rows[i]?.answers ?? [];
      expect(base?.answer).toBe(await glm.ask(prompt, { history, greedy: true, ...short }));
      expect(taught?.answer).toBe(await glm.ask(prompt, { history, greedy: true, adapter: "taught", ...short }));
      expect(fresh?.answer).toBe(base?.answer);
      const reference = sayable(glm.family, glm.tokenizer, rows[i]?.response ?? "");
      expect(evaluation.rows[i]).toMatchObject({ prompt, reference });
      expect(taught?.scores["bleu-4"]).toBeCloseTo(bleu4(taught?.answer ?? "", reference), 12);
    }
    expect(evaluation.score("exact", "taught")).toBe(1);
    expect(() => evaluation.score("exact", "tought")).toThrow(
      /score: adapter: expected one of .*"taught".*got "tought"/,
    );
    expect(() => evaluation.score("f1", "taught")).toThrow(/score: name: expected one of "exact", .*, got "f1"/);
    expect(() => evaluation.score("exact", "taught", "poetry")).toThrow(/group: expected one of none, got "poetry"/);
    expect(evaluation.score("exact", null)).toBe(0);
    expect(evaluation.score("perplexity", "taught")).toBeLessThan(5);
    expect(evaluation.score("perplexity", null)).toBeGreaterThan(50);
    expect(evaluation.score("perplexity", "new")).toBeCloseTo(evaluation.score("perplexity", null), 3);
    expect(evaluation.totals.map(({ changed }) => changed)).toEqual([0, 3, 0]);
    expect(evaluation.changed()).toHaveLength(3);
    // Random weights do not stop.
    expect(evaluation.totals.map(({ cut }) => cut)).toEqual([3, 0, 3]);
    expect(seen.filter(({ stage }) => stage === "answering").map(({ done, total }) => [done, total])).toEqual(
      Array.from({ length: 9 }, (_, i) => [i + 1, 9]),
    );
    expect(seen.filter(({ stage }) => stage === "reading").at(-1)).toEqual({ stage: "reading", done: 9, total: 9 });
    const text = String(evaluation);
    expect(text).toMatch(/^\s+rows\s+exact\s+bleu-4\s+perplexity\s+changed$/m);
    expect(text).toMatch(/^taught\s+3\s+100.00%/m);
    expect(text).toContain('"啥是梦中情炉？"');
  });

  it("perplexity is the loss of training", async () => {
    const adapter = await glm.adapter("taught");
    const step = await adapter.gradients(rows);
    await step.gradients.release();
    const evaluation = await glm.evaluate(rows, { ...short, scores: ["perplexity"], adapters: [adapter] });
    expect(Math.log(evaluation.score("perplexity", "taught"))).toBeCloseTo(step.loss, 4);
  });

  it("asks sums of adapters", async () => {
    const adapters = ["taught", "taught + new"];
    const evaluation = await glm.evaluate(rows, { ...short, scores: ["exact", "perplexity"], adapters });
    expect(evaluation.adapters).toEqual(adapters);
    expect(evaluation.score("exact", "taught + new")).toBe(1);
    expect(evaluation.score("perplexity", "taught + new")).toBeCloseTo(evaluation.score("perplexity", "taught"), 3);
  });

  it("takes rubrics and functions, one of which may fail without costing the answers", async () => {
    const long = (answer: string): number => answer.length;
    const broken = async (answer: string, { prompt }: { prompt: string }): Promise<number> => {
      if (prompt === "一") throw new Error("no opinion");
      return answer === "" ? 0 : 2;
    };
    const ends = rubric("ends", [{ name: "has a stop", holds: ({ text }) => /[。.]$/.test(text) }]);
    const {
      rows: found,
      totals,
      problems,
    } = await glm.evaluate(rows, {
      ...short,
      scores: [long, ends, broken],
      adapters: ["taught"],
    });
    expect(totals[0]?.scores).toMatchObject({ ends: 2 / 3, broken: 2 });
    expect(found.map(({ answers }) => answers[0]?.scores.long)).toEqual(
      found.map((row) => row.answers[0]?.answer.length),
    );
    expect(found[2]?.answers[0]?.scores.broken).toBeNaN();
    expect(problems).toEqual([expect.stringContaining("broken: no number for 1 answer")]);
    expect(problems[0]).toContain("row 3: no opinion");
  });

  it("saves all of it as JSON", async () => {
    const file = join(home, "there", "scores.json");
    const evaluation = await glm.evaluate(rows, { ...short, adapters: ["taught"], save: file });
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(evaluation)));
    expect(JSON.parse(readFileSync(file, "utf8"))).toMatchObject({
      scores: [
        { name: "exact", unit: "share" },
        { name: "bleu-4", unit: "share" },
      ],
      totals: [{ adapter: "taught", rows: 3, scores: { exact: 1 } }],
    });
  });

  it("refuses before anything is asked", async () => {
    mkdirSync(join(home, "folder"));
    const asked = (options: object, data: unknown = rows) => glm.evaluate(data as never, options);
    await expect(asked({ scores: ["exakt"] })).rejects.toThrow("Did you mean exact?");
    await expect(asked({ scores: [] })).rejects.toThrow("scores: expected a list");
    await expect(asked({ scores: ["exact", "exact"] })).rejects.toThrow("got exact twice");
    await expect(asked({ score: ["exact"] })).rejects.toThrow("Did you mean scores?");
    await expect(asked({ adapters: [] })).rejects.toThrow("adapters");
    await expect(asked({ adapters: ["tought"] })).rejects.toMatchObject({ code: "adapter-not-found" });
    await expect(asked({ maxNewTokens: 0 })).rejects.toThrow("maxNewTokens");
    await expect(asked({ save: join(home, "folder") })).rejects.toThrow("got the folder");
    await expect(asked({}, [{ prompt: "a" }])).rejects.toMatchObject({ code: "data-invalid" });
    const long = [{ prompt: "长".repeat(400), response: "a" }];
    await expect(asked({}, long)).rejects.toThrow(/question 1: expected fewer than 256 tokens/);
    await expect(asked({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: "AbortError" });
  });
});

describe("evaluate of conversations", { timeout: LONG }, () => {
  const conversation = {
    tools: [{ name: "f" }],
    messages: [
      { role: "user" as const, content: "几？" },
      { role: "assistant" as const, content: "我来查" },
      { role: "tool" as const, name: "f", parameters: { a: 1 }, observation: 5 },
      { role: "assistant" as const, content: "五", loss: false },
      { role: "user" as const, content: "好" },
      { role: "assistant" as const, content: "不客气" },
    ],
  };

  it("asks for each answer that is learnt, calls of tools included, as it was trained", async () => {
    const folder = await writeSmallModel(join(home, "roles"), 0, 0.3, VOCABULARY_WITH_ROLES);
    const roles = await load(folder, { runtime: "none", family: "chatglm3-6b" });
    try {
      const adapter = await roles.createAdapter("tools", lora({ r: 8, targets: ["query_key_value", "dense_h_to_4h"] }));
      for await (const _ of adapter.fit([conversation], { epochs: 240, lr: 1e-2 }));
      const evaluation = await roles.evaluate([conversation, { prompt: "一", response: "二" }], {
        ...{ scores: ["exact", "perplexity"], adapters: [null, adapter], maxNewTokens: 60 },
      });
      expect(evaluation.rows.map(({ prompt, reference }) => [prompt, reference])).toEqual([
        ["几？", "我来查 f\n ```python\ntool_call(a=1)\n```"],
        ["好", "不客气"],
        ["一", "二"],
      ]);
      const taught = evaluation.rows.slice(0, 2).map(({ answers }) => answers[1]);
      for (const answer of taught) expect(answer).toMatchObject({ complete: true, scores: { exact: 1 } });
      expect(evaluation.score("exact", null)).toBe(0);
      const step = await adapter.gradients([conversation]);
      await step.gradients.release();
      const own = await roles.evaluate([conversation], {
        ...{ scores: ["perplexity"], adapters: ["tools"], maxNewTokens: 1 },
      });
      expect(Math.log(own.score("perplexity", "tools"))).toBeCloseTo(step.loss, 4);
    } finally {
      await roles.dispose();
    }
  });

  it("refuses them of a family without roles", async () => {
    await expect(glm.evaluate([conversation], short)).rejects.toThrow(/expected a family whose messages have roles/);
  });
});

describe("forgetting", { timeout: LONG }, () => {
  it("compares an adapter with the base, by kind", async () => {
    const questions = { translation: ["翻译成英文：水"], others: ["啥是梦中情炉？", "你好"] };
    const evaluation = await glm.forgetting("taught", { ...short, questions });
    expect(evaluation.adapters).toEqual([null, "taught"]);
    expect(evaluation.totals.map(({ adapter, group, rows: count }) => [adapter, group, count])).toEqual([
      [null, undefined, 3],
      [null, "translation", 1],
      [null, "others", 2],
      ["taught", undefined, 3],
      ["taught", "translation", 1],
      ["taught", "others", 2],
    ]);
    expect(evaluation.score("exact", null)).toBe(1);
    expect(evaluation.score("similarity", null)).toBe(1);
    expect(evaluation.score("similarity", "taught")).toBeLessThan(1);
    expect(String(evaluation)).not.toContain("reference");
    const same = evaluation.rows.filter(({ answers: [base, taught] }) => base?.answer === taught?.answer).length;
    expect(evaluation.score("exact", "taught")).toBeCloseTo(same / 3, 12);
    expect(same).toBeLessThan(3);
    const untouched = await glm.forgetting(["new"], { ...short, questions });
    expect(untouched.score("exact", "new", "others")).toBe(1);
    expect(untouched.changed()).toEqual([]);
    await expect(glm.forgetting("taught", { questions: { a: [""] } })).rejects.toThrow("questions.a");
  });
});
