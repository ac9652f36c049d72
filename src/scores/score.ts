/** @file What scores there are, each as a function of all answers: a number for each of them, and one for all together. */
import { labelOf, labelsOf } from "./accuracy.ts";
import { bleu4 } from "./bleu.ts";
import { exactMatch } from "./exact.ts";
import { perplexity, type ReferenceLoss } from "./perplexity.ts";
import { type Rouge, rouge } from "./rouge.ts";
import { fulfilled, type Rubric } from "./rubric.ts";
import { type PrecisionRecall, precisionRecall, together, tripleCounts } from "./triples.ts";

export const scoreNames = [
  "exact",
  "accuracy",
  "f1",
  "micro-f1",
  "micro-precision",
  "micro-recall",
  "bleu-4",
  "rouge-1",
  "rouge-2",
  "rouge-l",
  "perplexity",
] as const;
export type ScoreName = (typeof scoreNames)[number];

/** What is scored. */
export interface Answered {
  readonly answer: string;
  /** What it was to be. */
  readonly reference: string;
  readonly prompt: string;
  /** What reading the reference came to, where it was read. */
  readonly loss?: ReferenceLoss | undefined;
}

/** A number for each answer, and for all. */
export interface Scored {
  readonly values: readonly number[];
  /** The mean, unless the score has a better way to speak of all. */
  readonly total: number;
}

export interface Score {
  readonly name: string;
  /** "share": from 0 to 1, and more is better. "perplexity": from 1, and less is better. "number": whatever it is. */
  readonly unit: "share" | "perplexity" | "number";
  /** What it is made of: answers, or what reading the references came to. */
  readonly of: "answers" | "losses";
  score(answered: readonly Answered[]): Scored;
}

/** The mean of those that are numbers; NaN when none is. */
export function mean(values: readonly number[]): number {
  const numbers = values.filter((value) => !Number.isNaN(value));
  return numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
}

/** A score that looks at one answer at a time. */
const each = (name: string, of: (one: Answered) => number): Score => ({
  name,
  unit: "share",
  of: "answers",
  score(answered) {
    const values = answered.map(of);
    return { values, total: mean(values) };
  },
});

/** Of the triples of all rows together; a row's own value is that of its triples. */
const micro = (name: ScoreName, part: keyof PrecisionRecall): Score => ({
  name,
  unit: "share",
  of: "answers",
  score(answered) {
    const counts = answered.map(({ answer, reference }) => tripleCounts(answer, reference));
    return {
      values: counts.map((one) => precisionRecall(one)[part]),
      total: precisionRecall(together(counts))[part],
    };
  },
});

/** To cut a text is what takes the time, and the three are mostly asked for together. */
const rouged = new WeakMap<Answered, Rouge>();

function rougeOf(one: Answered): Rouge {
  const known = rouged.get(one) ?? rouge(one.answer, one.reference);
  rouged.set(one, known);
  return known;
}

/** By their names. */
export const scores: Readonly<Record<ScoreName, Score>> = {
  exact: each("exact", ({ answer, reference }) => exactMatch(answer, reference)),
  accuracy: {
    name: "accuracy",
    unit: "share",
    of: "answers",
    score(answered) {
      const labels = labelsOf(answered.map(({ reference }) => reference));
      const values = answered.map(({ answer, reference }) => (labelOf(answer, labels) === reference.trim() ? 1 : 0));
      return { values, total: mean(values) };
    },
  },
  // The script's number: the mean of the rows' own.
  f1: each("f1", ({ answer, reference }) => precisionRecall(tripleCounts(answer, reference)).f1),
  "micro-f1": micro("micro-f1", "f1"),
  "micro-precision": micro("micro-precision", "precision"),
  "micro-recall": micro("micro-recall", "recall"),
  "bleu-4": each("bleu-4", ({ answer, reference }) => bleu4(answer, reference)),
  "rouge-1": each("rouge-1", (one) => rougeOf(one)["rouge-1"]),
  "rouge-2": each("rouge-2", (one) => rougeOf(one)["rouge-2"]),
  "rouge-l": each("rouge-l", (one) => rougeOf(one)["rouge-l"]),
  perplexity: {
    name: "perplexity",
    unit: "perplexity",
    of: "losses",
    score(answered) {
      const losses = answered.map(({ loss }) => loss ?? { loss: Number.NaN, tokens: 0 });
      const read = losses.filter(({ tokens }) => tokens > 0);
      return { values: losses.map((one) => perplexity([one])), total: perplexity(read) };
    },
  },
};

/** How alike an answer is to another: 1 for the same, whose BLEU-4 is less where it has fewer than four characters. */
export const similarity: Score = each("similarity", ({ answer, reference }) =>
  answer === reference ? 1 : bleu4(answer, reference),
);

export const rubricScore = (given: Rubric): Score =>
  each(given.name, ({ answer, prompt, reference }) => fulfilled(given, answer, { prompt, reference }));
