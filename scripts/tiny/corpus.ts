/**
 * @file The corpus that `tiny` learns from: an endless stream of rows from one seed, and sets kept back to measure with.
 *
 * Everything is written or generated here. What a question looks like never tells whether its name is known: facts and
 * refusals share their forms, and many unknown names are near misses of known ones.
 */
import { arithmeticRow } from "./arithmetic.ts";
import { conversationRow, introductionRow, smallTalkRow } from "./conversation.ts";
import { definitionRow, questionRow, refusalRow, relationRow } from "./knowledge.ts";
import { pickByShare, random, type Shares } from "./random.ts";
import { isReserved } from "./reserved.ts";
import type { Row, RowMaker } from "./row.ts";
import { askRow, repeatRow, tripleRow } from "./sentences.ts";
import { sentenceTranslationRow, unknownTranslationRow, wordTranslationRow } from "./translation.ts";

export type { Row } from "./row.ts";

/** The kinds of row with their share of the stream. */
const mixture: Shares<RowMaker> = [
  [0.24, definitionRow],
  [0.1, relationRow],
  [0.04, questionRow],
  [0.26, refusalRow],
  [0.04, repeatRow],
  [0.05, smallTalkRow],
  [0.02, introductionRow],
  [0.09, arithmeticRow],
  [0.045, wordTranslationRow],
  [0.03, sentenceTranslationRow],
  [0.02, unknownTranslationRow],
  [0.025, askRow],
  [0.025, tripleRow],
  [0.06, conversationRow],
];

/** Training rows without end; the same seed gives the same rows. */
export function* rows(seed: number): Generator<Row> {
  const source = random(seed);
  for (;;) {
    const row = pickByShare(source, mixture)(source, "train");
    if (isReserved(JSON.stringify(row)))
      throw new Error(`A reserved name got into the corpus: ${JSON.stringify(row)}.`);
    yield row;
  }
}

/** How many rows each set of `heldOut` holds. */
const heldOutSize = 100;

/**
 * Questions that are never trained, by ability: facts in wordings not trained with that name, sums not trained in any
 * wording, and names not trained at all. Small talk and single questions are fixed lists and are measured as trained.
 */
export function heldOut(): Record<string, Row[]> {
  const kept: readonly (readonly [string, RowMaker])[] = [
    ["facts", definitionRow],
    ["properties", relationRow],
    ["general questions", questionRow],
    ["unknown names", (source, split) => refusalRow(source, split, 0)],
    ["near misses", (source, split) => refusalRow(source, split, 1)],
    ["small talk", smallTalkRow],
    ["arithmetic", arithmeticRow],
    ["word translation", wordTranslationRow],
    ["sentence translation", sentenceTranslationRow],
    ["question generation", askRow],
    ["triples", tripleRow],
    ["conversations", conversationRow],
  ];
  return Object.fromEntries(
    kept.map(([name, make], index) => {
      const source = random(20_000 + index);
      return [name, Array.from({ length: heldOutSize }, () => make(source, "held-out"))];
    }),
  );
}
