/** @file Tokens a second of one answer: from the runtime, and computed in this process. */
import { setTimeout } from "node:timers/promises";
import { type ChatGLM, load } from "../src/index.ts";
import type { Figure } from "./figure.ts";
import { median, spread } from "./timing.ts";

/** Tokens of an answer; nothing ends it earlier. */
const LENGTH = 200;
/** Milliseconds of rest, in which the other place's threads go to sleep. */
const REST = 400;

export async function decoding(rounds: number): Promise<Figure[]> {
  const [shared, own] = [await load("tiny", { runtime: "auto" }), await load("tiny", { runtime: "none" })];
  const seen: { shared: number; own: number }[] = [];
  try {
    for (const model of [shared, own]) await tokenRate(model);
    for (let round = 0; round < rounds; round += 1) {
      await setTimeout(REST);
      const rate = await tokenRate(shared);
      await setTimeout(REST);
      seen.push({ shared: rate, own: await tokenRate(own) });
    }
  } finally {
    await shared.dispose();
    await own.dispose();
  }
  return [
    [`greedy decoding of ${LENGTH} tokens, from the runtime`, `${spread(seen.map((round) => round.shared))} tokens/s`],
    ["the same in one's own process", `${spread(seen.map((round) => round.own))} tokens/s`],
    ["the runtime's speed / one's own process's", median(seen.map((round) => round.shared / round.own)).toFixed(2)],
  ];
}

/** From the first token to the last. */
async function tokenRate(model: ChatGLM): Promise<number> {
  const ids = model.prompt([{ role: "user", content: "你好" }]);
  let [first, count] = [0, 0];
  for await (const _ of model.generate(ids, { greedy: true, stop: [], maxNewTokens: LENGTH })) {
    if (count++ === 0) first = performance.now();
  }
  if (count !== LENGTH) throw new Error(`Expected an answer of ${LENGTH} tokens, got ${count}`);
  return ((count - 1) / (performance.now() - first)) * 1000;
}
