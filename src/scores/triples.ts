/**
 * @file F1 of extracted triples, as ChatGLM-Finetuning scores relation extraction (`spo_0.json`, `predict_freeze.py`): an answer has one triple a line,
 * its three parts joined by "_", subject_predicate_object:
 *
 *     发动机_部件故障_水温高
 *     风扇_部件故障_低速转动
 *
 * Lines of an answer that have not three parts are no triples; all lines of a reference are, as in that script. A triple counts once, and only
 * as a whole. White space around a line is ignored.
 */

export interface TripleCounts {
  /** Triples that are in both. */
  readonly same: number;
  readonly answered: number;
  readonly wanted: number;
}

const linesOf = (text: string): string[] => text.split(/\r?\n/).map((line) => line.trim());

const isTriple = (line: string): boolean => line.split("_").length === 3;

export function tripleCounts(answer: string, reference: string): TripleCounts {
  const answered = new Set(linesOf(answer).filter(isTriple));
  const wanted = new Set(linesOf(reference).filter((line) => line !== ""));
  return {
    same: [...answered].filter((triple) => wanted.has(triple)).length,
    answered: answered.size,
    wanted: wanted.size,
  };
}

export interface PrecisionRecall {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** From 0 to 1: 0 where there is nothing to divide by, as in that script. */
export function precisionRecall({ same, answered, wanted }: TripleCounts): PrecisionRecall {
  const precision = answered === 0 ? 0 : same / answered;
  const recall = wanted === 0 ? 0 : same / wanted;
  return { precision, recall, f1: same === 0 ? 0 : (2 * precision * recall) / (precision + recall) };
}

/** Of all rows together: what large rows hold weighs as much as what small ones do. */
export function together(counts: readonly TripleCounts[]): TripleCounts {
  const sum = (of: (one: TripleCounts) => number): number => counts.reduce((total, one) => total + of(one), 0);
  return { same: sum((one) => one.same), answered: sum((one) => one.answered), wanted: sum((one) => one.wanted) };
}
