/** @file What a report says: the sums of its parts, in words, and what to try when something went wrong. */
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { type FactReport, KnowledgeReport, type ReportData } from "../../src/knowledge/report.ts";

const fact = (key: string, change: Partial<FactReport> = {}): FactReport => ({
  key,
  recalled: 8,
  prompts: 8,
  generalized: 4,
  paraphrases: 5,
  learned: true,
  ...change,
});
const data: ReportData = {
  action: "add",
  facts: [fact("a"), fact("b")],
  locality: {
    unchanged: 19,
    unrelated: 20,
    changed: [{ question: "你好", before: "你好！", after: "好。" }],
    nearMisses: { unknown: 9, asked: 10, given: [{ question: "c？", answer: "x" }] },
  },
  kept: { recalled: 3, facts: 3, lost: [] },
  denials: [{ question: "a是假的吗？", answer: "不是。" }],
  outdated: 0,
  base: { question: "你好", answer: "你好！", identical: true },
  steps: 31,
  budget: 160,
  loss: 0.01234,
  seconds: 4.56,
};
const report = (change: Partial<ReportData> = {}): KnowledgeReport => new KnowledgeReport({ ...data, ...change });

describe("a report", () => {
  it("adds up what its facts came to", () => {
    expect(report().lines()).toEqual([
      "learnt: 2 of 2 facts",
      "reliability: 16 of 16 taught wordings get exactly the text",
      "generality: 8 of 10 other wordings do",
      "facts known before: 3 of 3 still are",
      "locality: 19 of 20 unrelated answers unchanged, 9 of 10 near misses still unknown",
      '  "你好": "你好！" -> "好。"',
      '  "c？" is answered "x"',
      'denied: "a是假的吗？" is answered "不是。"',
      'without the adapter: "你好" is answered "你好！", bit for bit as before',
      "31 steps of at most 160, loss 0.012, 4.6 s",
    ]);
    expect(report().learned).toBe(true);
    expect(report().problems()).toEqual([]);
  });

  it("shows itself in words everywhere", () => {
    const text = report().lines().join("\n");
    expect(String(report())).toBe(text);
    expect(inspect(report())).toBe(text);
    const display = (report() as unknown as Record<symbol, () => unknown>)[Symbol.for("Jupyter.display")];
    expect(display?.call(report())).toEqual({ "text/plain": text });
  });

  it("leaves out what there was not", () => {
    const lines = report({
      action: "check",
      facts: [],
      kept: { recalled: 0, facts: 0, lost: [] },
      denials: [],
    }).lines();
    expect(lines.join()).not.toMatch(/learnt|reliability|known before|denied|step/);
    expect(report({ steps: 0, loss: Number.NaN }).lines().at(-1)).toBe("0 steps of at most 160, 4.6 s");
    expect(report({ steps: 1 }).lines().at(-1)).toMatch(/^1 step of/);
  });

  const missed = fact("b", {
    recalled: 7,
    learned: false,
    failure: { prompt: "b？", answer: "不知道。" },
  });

  it("says first what was not learnt, and what to try", () => {
    const failed = report({ facts: [fact("a"), missed] });
    expect(failed.learned).toBe(false);
    expect(failed.problems()).toEqual([
      'Not learnt: b, 7 of 8 taught wordings answered exactly. "b？" is answered "不知道。".',
      "What to try: add it again, which goes on from here.",
    ]);
    expect(String(failed).split("\n")[0]).toMatch(/^Not learnt: b/);
    const spent = report({ facts: [missed], steps: 160 });
    expect(spent.problems().at(-1)).toMatch(/goes on from here; more steps; a shorter text\.$/);
    const larger = report({ facts: [missed], steps: 160, larger: "a longer prefix (length)" });
    expect(larger.problems().at(-1)).toMatch(/more steps; a longer prefix \(length\); a shorter text\.$/);
    // Nothing was tried, so there is nothing to try again.
    expect(report({ facts: [missed], action: "check" }).problems()).toHaveLength(1);
    const many = report({ facts: Array.from({ length: 13 }, (_, i) => ({ ...missed, key: `k${i}` })) }).problems();
    expect(many).toHaveLength(12);
    expect(many[10]).toBe("Not learnt: 3 more.");
  });

  it("speaks of forgetting after a deletion", () => {
    const kept = report({ action: "delete", facts: [fact("a"), missed] });
    expect(kept.lines().slice(0, 2)).toEqual([
      "forgotten: 1 of 2 facts",
      "reliability: 15 of 16 taught wordings get exactly the base's own answer",
    ]);
    expect(kept.problems()[0]).toMatch(/^Not forgotten: b, \d of \d taught wordings? answered as the base does\./);
    expect(kept.problems()[1]).toMatch(/delete it again/);
  });

  it("tells what was lost, what is outdated, and a base that is not what it was", () => {
    const lost = (...names: string[]): string[] => [
      ...report({ kept: { recalled: 1, facts: 9, lost: names } }).problems(),
    ];
    expect(lost("x")).toEqual(["Known before and lost: x. Add it again."]);
    expect(lost("x", "y")).toEqual(["Known before and lost: x, y. Add them again."]);
    expect(lost(..."abcdefg")).toEqual(["Known before and lost: a, b, c, d, e and 2 more. Add them again."]);
    expect(report({ outdated: 1 }).problems()).toEqual(["1 wording still answered with the text that was replaced."]);
    const changed = report({ base: { ...data.base, identical: false } });
    expect(changed.problems()).toEqual([
      "Without the adapter, the model does not answer as before: please report this.",
    ]);
    expect(changed.lines().at(-2)).toMatch(/not as before$/);
  });
});
