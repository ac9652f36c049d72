/** @file The first few hundred trials of `npm run fuzz` of each kind but files of models, which test/weights tries. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { adapterTrials } from "../../scripts/fuzz/adapter-trials.ts";
import type { Trial, TrialResult, Trials } from "../../scripts/fuzz/kinds.ts";
import { messageTrials } from "../../scripts/fuzz/message-trials.ts";
import { rowTrials } from "../../scripts/fuzz/row-trials.ts";
import { ownHome } from "../home.ts";

const TRIALS = 300;
const LONG = 240_000;

describe.each<[string, Trials, least: { refused: number; same: number; mutations: number }]>([
  ["adapters", adapterTrials, { refused: 0.4, same: 0.05, mutations: 12 }],
  ["rows", rowTrials, { refused: 0.4, same: 0.05, mutations: 14 }],
  ["messages", messageTrials, { refused: 0.5, same: 0.005, mutations: 20 }],
])("mutated %s", (kind, trials, least) => {
  const folder = ownHome();
  let run: Trial;
  beforeAll(async () => {
    run = await trials(folder, 1);
  }, LONG);
  afterAll(() => run?.end?.());

  test(
    "are taken for what they were, or refused with a message, soon and without growing",
    async () => {
      const results: TrialResult[] = [];
      const before = process.resourceUsage().maxRSS;
      for (let trial = 0; trial < TRIALS; trial += 1) {
        const started = performance.now();
        results.push(await run(trial));
        expect(performance.now() - started, results.at(-1)?.what).toBeLessThan(10_000);
      }
      expect((process.resourceUsage().maxRSS - before) * 1024).toBeLessThan(512 * 2 ** 20);
      const share = (outcome: string): number => results.filter((one) => one.outcome === outcome).length / TRIALS;
      expect(share("refused"), kind).toBeGreaterThan(least.refused);
      expect(share("same"), kind).toBeGreaterThan(least.same);
      expect(new Set(results.map(({ mutation }) => mutation)).size).toBeGreaterThan(least.mutations);
    },
    LONG,
  );
});
