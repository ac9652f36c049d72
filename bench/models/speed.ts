/** @file Tokens a second of prompt and answer: both engines loaded, taking turns within each round. */
import { setTimeout } from "node:timers/promises";
import { lowerQuartile } from "../timing.ts";
import type { Contender } from "./contender.ts";
import { promptIds } from "./prompt.ts";

export const PROMPT = 256;
/** Tokens of an answer: long enough that the cache is warm and the clock is fine enough. */
const ANSWER = 24;
/** Milliseconds before a turn, in which the other engine's threads go to sleep. */
const REST = 500;

/** Tokens a second. */
export interface Speed {
  readonly prefill: number;
  readonly decode: number;
}

export interface Round {
  readonly ours: Speed;
  readonly llama: Speed;
}

/** The first round, in which pages are read and caches filled, does not count. */
export async function race(ours: Contender, llama: Contender, rounds: number): Promise<Round[]> {
  const seen: Round[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    const speeds = { ours: await speedOf(ours), llama: await speedOf(llama) };
    if (round > 0) seen.push(speeds);
  }
  return seen;
}

async function speedOf(contender: Contender): Promise<Speed> {
  await setTimeout(REST);
  const { prefill, decode } = await contender.turn(promptIds(PROMPT), ANSWER);
  return { prefill: PROMPT / prefill, decode: 1 / lowerQuartile(decode) };
}
