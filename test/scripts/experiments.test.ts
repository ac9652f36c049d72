/** @file The experiments' facts, and the script itself with a small model: its parts, its results, and how it goes on. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawFact } from "../../scripts/drawn-fact.ts";
import { experimentFacts, neighboursOf, similarity } from "../../scripts/experiments/facts.ts";
import type { Results } from "../../scripts/experiments/results.ts";
import { completedFacts } from "../../src/knowledge/fact.ts";
import { languageOf } from "../../src/knowledge/wordings.ts";
import { packageFolder } from "../../src/version.ts";
import { writeSmallModel } from "../small-model.ts";

describe("facts to experiment with", () => {
  const facts = experimentFacts(32, 7);

  it("are the same from the same seed, ordinary, and of both languages", () => {
    expect(experimentFacts(32, 7)).toEqual(facts);
    expect(experimentFacts(32, 8)).not.toEqual(facts);
    expect(new Set(facts.map(({ key }) => key)).size).toBe(32);
    for (const { text } of facts) {
      expect(Array.from(text).length).toBeGreaterThanOrEqual(20);
      expect(Array.from(text).length).toBeLessThanOrEqual(60);
    }
    expect(facts.filter(({ text }) => languageOf(text) === "zh")).toHaveLength(21);
  });

  it("have neighbours one character away, with texts of their own that begin with the new name", () => {
    const near = neighboursOf(facts.slice(0, 16), facts.slice(16), 7);
    for (const [i, { key, text }] of near.entries()) {
      const from = facts[i]?.key as string;
      const differing = Array.from(key).filter((letter, at) => letter !== Array.from(from)[at]);
      expect([key.length, differing.length]).toEqual([from.length, 1]);
      expect(text.toLowerCase()).toContain(key.replace(/^(an?|the) /, "").toLowerCase());
      expect(text).not.toBe(facts[i]?.text);
    }
  });

  it("are alike by what their names share in order", () => {
    expect(similarity("abcd", "abcd")).toBe(1);
    expect(similarity("abcd", "wxyz")).toBe(0);
    expect(similarity("雾铃车", "雾铃船")).toBeCloseTo(2 / 3, 12);
    expect(similarity("abc", "xaybz")).toBe(0.5);
  });

  it("the demo's are drawn anew, and are facts that a book takes, asked in a taught wording", () => {
    const drawn = Array.from({ length: 200 }, drawFact);
    expect(new Set(drawn.map(({ text }) => text)).size).toBeGreaterThan(190);
    for (const { key, text, question } of drawn) {
      expect(text.startsWith(key)).toBe(true);
      expect(completedFacts("demo", { key, text }, [])[0]?.prompts).toContain(question);
    }
  });
});

describe("node dist/scripts/experiments/knowledge.js --quick", () => {
  const folder = mkdtempSync(join(tmpdir(), "glmlab-experiments-test-"));
  const [model, file] = [join(folder, "model"), join(folder, "results.json")];
  const run = (...more: readonly string[]): string => {
    const script = join(packageFolder, "dist/scripts/experiments/knowledge.js");
    const options = ["--quick", "--model", model, "--out", file, ...more];
    return execFileSync(process.execPath, [script, ...options], { encoding: "utf8" });
  };
  const results = (): Results => JSON.parse(readFileSync(file, "utf8")) as Results;

  beforeAll(async () => {
    await writeSmallModel(model);
    // Random weights answer for as long as there is room.
    const config = join(model, "config.json");
    writeFileSync(config, JSON.stringify({ ...JSON.parse(readFileSync(config, "utf8")), seq_length: 96 }));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("measures each part, writes down where its numbers come from, and measures nothing twice", () => {
    run();
    const first = results();
    expect(Object.keys(first)).toEqual(["together", "oldRecipe", "capacity", "similarity", "rehearsal"]);
    for (const result of Object.values(first)) {
      expect(result).toMatchObject({ model, seed: 7, quick: true, weights: expect.stringMatching(/^[0-9a-f]{12}$/) });
      expect(result.command).toContain("--quick");
      expect(result.date).toMatch(/^\d{4}-\d\d-\d\d$/);
    }
    const { together, capacity, similarity: similar } = first as Record<string, { data: Record<string, unknown> }>;
    const ways = together?.data.ways as { way: string; curve: { taught: number }[]; end: Record<string, number> }[];
    expect(ways.map(({ way, curve }) => [way, curve.map(({ taught }) => taught)])).toEqual([
      ["all at once", [2]],
      ["groups of 1", [1, 2]],
      ["one by one", [1, 2]],
      ["one by one, merged", [1, 2]],
    ]);
    for (const { end } of ways) expect(end).toMatchObject({ facts: 2, wordings: 16, otherWordings: 10, unrelated: 20 });
    // LoRA of rank 4 on the four linear modules of both layers: r * (in + out) each, by the small model's sizes.
    const loraSize = 2 * 4 * (32 + 64 + (32 + 32) + (32 + 96) + (48 + 32));
    expect(capacity?.data.points).toMatchObject([
      { method: "LoRA r 4", trained: loraSize },
      { method: "full, MLP", trained: 2 * (32 * 96 + 48 * 32) },
    ]);
    const old = similar?.data.old as { similar: boolean; similarity: number; exact: { step: number }[] }[];
    expect(old.map((one) => [one.similar, one.exact.map(({ step }) => step)])).toEqual([
      [true, [0, 2, 6]],
      [false, [0, 2, 6]],
    ]);
    expect(old[0]?.similarity).toBeGreaterThan(old[1]?.similarity ?? 1);

    expect(run().match(/--again measures it anew/g)).toHaveLength(5);
    expect(results()).toEqual(first);
  }, 240_000);

  it("names the parts there are", () => {
    expect(() => run("--only", "capacities")).toThrow(/expected one of together, oldRecipe, .* got capacities/);
  });
});
