/** @file The first few hundred trials of `npm run fuzz`, in this process. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { TrialResult } from "../../scripts/fuzz/kinds.ts";
import { fuzzTrials } from "../../scripts/fuzz/trial.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "glmlab-fuzz-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("mutated files load as what they were, or are refused with a GlmError", { timeout: 120_000 }, async () => {
  const run = await fuzzTrials(folder, 1);
  const results: TrialResult[] = [];
  for (let trial = 0; trial < 400; trial += 1) {
    const started = performance.now();
    results.push(await run(trial));
    expect(performance.now() - started, results.at(-1)?.what).toBeLessThan(10_000);
  }
  // Every format was tried, and the mutations are neither all harmless nor all fatal.
  const share = (outcome: string): number =>
    results.filter((result) => result.outcome === outcome).length / results.length;
  expect(share("refused")).toBeGreaterThan(0.5);
  expect(share("same")).toBeGreaterThan(0.05);
  expect(new Set(results.map(({ mutation }) => mutation)).size).toBeGreaterThan(15);
  expect(new Set(results.map(({ what }) => what.split(":")[0])).size).toBeGreaterThan(15);
});

test("the same seed and number make the same trial", async () => {
  const [first, second] = [await fuzzTrials(folder, 5), await fuzzTrials(folder, 5)];
  for (const trial of [0, 17, 99]) expect(await second(trial)).toEqual(await first(trial));
});
