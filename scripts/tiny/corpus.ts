/**
 * @file The corpus that `tiny` learns from: an endless stream of rows from one seed, and sets kept back to measure with.
 *
 * Everything is written or generated here. A fifth of the rows repeats text of any kind, so that no piece and no byte is new
 * to the model when a user brings it. What a question looks like never tells whether its name is known: facts and
 * refusals share their forms, and many unknown names are near misses of known ones.
 */
import { arithmeticRow } from "./arithmetic.ts";
import { conversationRow, introductionRow, smallTalkRow } from "./conversation.ts";
import { definitionRow, questionRow, refusalRow, relationRow } from "./knowledge.ts";
import { pickByShare, random, type Shares } from "./random.ts";
import { isReserved } from "./reserved.ts";
import type { Row, RowMaker } from "./row.ts";
import { askRow, repeatRow, tripleRow } from "./sentences.ts";
import { askToRepeat, texts } from "./texts.ts";
import { sentenceTranslationRow, unknownTranslationRow, wordTranslationRow } from "./translation.ts";

export type { Row } from "./row.ts";

/** The kinds of row with their share of the stream. */
const mixture = (pieces: readonly string[]): Shares<RowMaker> => [
  [0.15, definitionRow],
  [0.07, relationRow],
  [0.03, questionRow],
  [0.18, refusalRow],
  [0.03, repeatRow],
  [0.2, repeatTextRow(pieces)],
  [0.035, smallTalkRow],
  [0.015, introductionRow],
  [0.1, arithmeticRow],
  [0.035, wordTranslationRow],
  [0.03, sentenceTranslationRow],
  [0.015, unknownTranslationRow],
  [0.02, askRow],
  [0.03, tripleRow],
  [0.06, conversationRow],
];

/** Any text at all, said again. */
function repeatTextRow(pieces: readonly string[]): RowMaker {
  const draw = texts(pieces);
  return (random) => {
    for (;;) {
      const text = draw(random);
      if (!isReserved(text)) return { prompt: askToRepeat(random, text), response: text };
    }
  };
}

/**
 * Training rows without end; the same seed and pieces give the same rows.
 * @param pieces of the vocabulary, all of which are to be said; none while the vocabulary itself is made
 */
export function* rows(seed: number, pieces: readonly string[]): Generator<Row> {
  const source = random(seed);
  const kinds = mixture(pieces);
  for (;;) {
    const row = pickByShare(source, kinds)(source, "train");
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
