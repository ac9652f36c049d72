/** @file One example of the corpus, and what each part of the corpus promises. */
import type { Random } from "./random.ts";

/** A question with the one right answer; `history` holds earlier [question, answer] rounds. */
export interface Row {
  prompt: string;
  response: string;
  history?: [string, string][];
}

/** Which part of the corpus is wanted: the part to train on, or the part kept back to measure with. */
export type Split = "train" | "held-out";

/** Makes one row of one kind. */
export type RowMaker = (random: Random, split: Split) => Row;
