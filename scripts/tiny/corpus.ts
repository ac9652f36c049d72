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
import { pickByShare, random } from "./random.ts";
import { isReserved } from "./reserved.ts";
import type { Row, RowMaker } from "./row.ts";
import { askRow, repeatRow, tripleRow } from "./sentences.ts";
import { askToRepeat, texts } from "./texts.ts";
import { sentenceTranslationRow, unknownTranslationRow, wordTranslationRow } from "./translation.ts";

export type { Row } from "./row.ts";

/** What a stream of rows is for: to learn everything, or to go over it once more, most of all what is learnt last. */
export type Stage = "lesson" | "revision";

/** The kinds of row, with their shares of the streams. */
const kinds = (pieces: readonly string[]): readonly (readonly [share: Readonly<Record<Stage, number>>, RowMaker])[] => [
  [{ lesson: 0.15, revision: 0.08 }, definitionRow],
  [{ lesson: 0.07, revision: 0.18 }, relationRow],
  [{ lesson: 0.03, revision: 0.03 }, questionRow],
  [{ lesson: 0.18, revision: 0.1 }, refusalRow],
  [{ lesson: 0, revision: 0.06 }, (source, split) => refusalRow(source, split, 0.6)],
  [{ lesson: 0.03, revision: 0.02 }, repeatRow],
  [{ lesson: 0.2, revision: 0.1 }, repeatTextRow(pieces)],
  [{ lesson: 0.035, revision: 0.03 }, smallTalkRow],
  [{ lesson: 0.015, revision: 0.01 }, introductionRow],
  [{ lesson: 0.1, revision: 0.18 }, arithmeticRow],
  [{ lesson: 0.035, revision: 0.08 }, wordTranslationRow],
  [{ lesson: 0.03, revision: 0.04 }, sentenceTranslationRow],
  [{ lesson: 0.015, revision: 0.02 }, unknownTranslationRow],
  [{ lesson: 0.02, revision: 0.01 }, askRow],
  [{ lesson: 0.03, revision: 0.02 }, tripleRow],
  [{ lesson: 0.06, revision: 0.05 }, conversationRow],
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
export function* rows(seed: number, pieces: readonly string[], stage: Stage = "lesson"): Generator<Row> {
  const source = random(seed);
  const mixture = kinds(pieces).map(([share, maker]) => [share[stage], maker] as const);
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
