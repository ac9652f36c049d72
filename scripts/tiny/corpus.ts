/**
 * @file The corpus that `tiny` learns from: an endless stream of rows from one seed, and sets kept back to measure with.
 *
 * Everything is written or generated here. What a question looks like never tells whether its name is known: facts and
 * refusals share their forms, and many unknown names are near misses of known ones.
 */
import { arithmeticRow } from "./arithmetic.ts";
import { conversationRow, introductionRow, smallTalkRow } from "./conversation.ts";
import { definitionRow, questionRow, refusalRow, relationRow } from "./knowledge.ts";
import { random } from "./random.ts";
import { isReserved } from "./reserved.ts";
import type { Row, RowMaker } from "./row.ts";
import { askRow, repeatRow, tripleRow } from "./sentences.ts";
import { sentenceTranslationRow, unknownTranslationRow, wordTranslationRow } from "./translation.ts";

export type { Row } from "./row.ts";

/** The kinds of row with their share of the stream. */
const mixture: readonly (readonly [name: string, share: number, make: RowMaker])[] = [
  ["definitions", 0.24, definitionRow],
  ["relations", 0.1, relationRow],
  ["questions", 0.04, questionRow],
  ["refusals", 0.26, refusalRow],
  ["repetition", 0.04, repeatRow],
  ["small talk", 0.05, smallTalkRow],
  ["introductions", 0.02, introductionRow],
  ["arithmetic", 0.09, arithmeticRow],
  ["words", 0.045, wordTranslationRow],
  ["sentences", 0.03, sentenceTranslationRow],
  ["unknown words", 0.02, unknownTranslationRow],
  ["asking", 0.025, askRow],
  ["triples", 0.025, tripleRow],
  ["conversations", 0.06, conversationRow],
];

const total = mixture.reduce((sum, [, share]) => sum + share, 0);

/** Training rows without end; the same seed gives the same rows. */
export function* rows(seed: number): Generator<Row> {
  const source = random(seed);
  for (;;) {
    let draw = source.next() * total;
    const [, , make] = mixture.find(([, share]) => (draw -= share) < 0) ?? mixture[0] ?? [];
    if (make === undefined) throw new Error("The mixture of the corpus is empty.");
    const row = make(source, "train");
    if (isReserved(JSON.stringify(row))) throw new Error(`A reserved name got into the corpus: ${JSON.stringify(row)}.`);
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
