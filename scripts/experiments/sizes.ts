/** @file How large the experiments are: about a quarter of an hour on two idle cores, or a minute for a trial. */
import type { Sizes } from "./laboratory.ts";

export const full: Sizes = {
  facts: 24,
  inTurn: 12,
  group: 4,
  askedAt: [1, 4, 8, 12],
  oldSteps: 60,
  capacity: { facts: [8, 32], ranks: [1, 4, 16], steps: 64 },
  similarity: { facts: 16, askedAt: [2, 4, 8, 12, 16, 24] },
  rehearsal: { facts: 3, perStep: [4, 24] },
};

export const quick: Sizes = {
  steps: 10,
  facts: 2,
  inTurn: 2,
  group: 1,
  askedAt: [1, 2],
  oldSteps: 10,
  capacity: { facts: [8], ranks: [4], steps: 6 },
  similarity: { facts: 2, askedAt: [2, 6] },
  rehearsal: { facts: 1, perStep: [4] },
};
