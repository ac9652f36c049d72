/** @file What it costs to answer with another adapter than the last time. */
import { load, lora } from "../src/index.ts";
import type { Figure } from "./figure.ts";
import { median, spread } from "./timing.ts";

/** Pairs of answers in a round: one after another adapter's, one after the same adapter's. */
const PAIRS = 40;

export async function adapterSwap(rounds: number): Promise<Figure[]> {
  const model = await load("tiny", { runtime: "auto" });
  try {
    const adapters = [await model.createAdapter("a", lora()), await model.createAdapter("b", lora())];
    const ids = model.prompt([{ role: "user", content: "你好" }]);
    const firstToken = async (turn: number): Promise<number> => {
      const adapter = adapters[turn % adapters.length];
      const asked = performance.now();
      await model.generate(ids, { adapter, greedy: true, maxNewTokens: 1 }).next();
      return performance.now() - asked;
    };
    for (let turn = 0; turn < PAIRS; turn += 1) await firstToken(turn);
    const seen: { swapped: number; same: number; cost: number }[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const pairs: { swapped: number; same: number }[] = [];
      for (let turn = 0; turn < PAIRS; turn += 1) {
        pairs.push({ swapped: await firstToken(turn), same: await firstToken(turn) });
      }
      seen.push({
        swapped: median(pairs.map(({ swapped }) => swapped)),
        same: median(pairs.map(({ same }) => same)),
        cost: median(pairs.map(({ swapped, same }) => swapped - same)),
      });
    }
    return [
      [
        "first token after another adapter's answer",
        `${spread(
          seen.map(({ swapped }) => swapped),
          2,
        )} ms`,
      ],
      [
        "first token after the same adapter's answer",
        `${spread(
          seen.map(({ same }) => same),
          2,
        )} ms`,
      ],
      [
        "swap of the adapter: the difference",
        `${spread(
          seen.map(({ cost }) => cost),
          2,
        )} ms`,
      ],
    ];
  } finally {
    await model.dispose();
  }
}
