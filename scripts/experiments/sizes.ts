/** @file How large the experiments are: a good quarter of an hour on two idle cores, a few minutes, or one for a trial. */
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

/** A few minutes: enough to see tendencies. */
export const short: Sizes = {
  facts: 6,
  inTurn: 6,
  group: 3,
  askedAt: [1, 2, 4, 6],
  oldSteps: 60,
  capacity: { facts: [8], ranks: [1, 4, 16], steps: 48 },
  similarity: { facts: 6, askedAt: [2, 4, 8, 12, 16, 24] },
  rehearsal: { facts: 2, perStep: [4] },
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
