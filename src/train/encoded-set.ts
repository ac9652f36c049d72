/**
 * @file Many rows in token ids, in any order. Each is encoded once, to know all faults, lengths and cuts before training begins; where
 * they are many, what it became is not held, and a row is encoded again when it is learnt.
 */
import { createHash } from "node:crypto";
import { setImmediate as turn } from "node:timers/promises";
import type { Row } from "../data/row.ts";
import type { RowStore } from "../data/row-store.ts";
import { type Cut, CutCount } from "./cut.ts";
import { type EncodedRow, IGNORED, RowFaults } from "./encode.ts";
import type { Example } from "./examples.ts";

export interface EncodedSet {
  readonly length: number;
  /** Tokens of each row. */
  readonly lengths: Uint32Array;
  /** Tokens of all rows that are learnt. */
  readonly learnt: number;
  /** What all rows lost. */
  readonly cut: Cut;
  /** A short hash of each row as it is read and learnt, `DIGEST_BYTES` each, by which it is known again. */
  readonly digests: Buffer;
  at(row: number): Example;
}

/** How far the rows are encoded. */
export interface EncodingProgress {
  readonly type: "encode";
  readonly done: number;
  readonly total: number;
}

export const DIGEST_BYTES = 6;

/** Tokens of rows that are held: with their labels, some 128 MB. */
const HELD = 2 ** 23;

/** Rows that are encoded before others have a turn. */
const AT_ONCE = 256;

/** Milliseconds between two reports: what takes less is not told. */
const REPORT = 500;

/**
 * Encodes all rows.
 * @param held tokens, beyond which rows are encoded again when they are asked for
 * @returns by yielding how far it is, the set
 * @throws GlmError "data-invalid" with every row of which no answer would be left
 */
export async function* encodeSet(
  rows: RowStore,
  encode: (row: Row) => EncodedRow,
  held: number = HELD,
): AsyncGenerator<EncodingProgress, EncodedSet, void> {
  const { length } = rows;
  const [cut, faults] = [new CutCount(), new RowFaults()];
  const lengths = new Uint32Array(length);
  const digests = Buffer.alloc(length * DIGEST_BYTES);
  let kept: Example[] | undefined = [];
  let [tokens, learnt] = [0, 0];
  let told = performance.now();
  for (let at = 0; at < length; at += 1) {
    const encoded = faults.of(rows.at(at), at, encode);
    if (encoded) {
      const { ids, labels, lost } = encoded;
      cut.add(lost);
      lengths[at] = ids.length;
      digest(ids, labels).copy(digests, at * DIGEST_BYTES);
      tokens += ids.length;
      for (const label of labels) if (label !== IGNORED) learnt += 1;
      kept = tokens <= held ? kept : undefined;
      kept?.push({ ids, labels });
    }
    if ((at + 1) % AT_ONCE !== 0) continue;
    await turn();
    if (performance.now() - told < REPORT) continue;
    told = performance.now();
    yield { type: "encode", done: at + 1, total: length };
  }
  faults.end();
  const all = kept;
  return {
    ...{ length, lengths, learnt, digests, cut: cut.total },
    at: (row) => (all ? (all[row] as Example) : encode(rows.at(row))),
  };
}

/** Which rows are the longest: those that need the most memory together. */
export function longestRows(lengths: ArrayLike<number>, count: number): readonly number[] {
  const lengthOf = (row: number): number => lengths[row] as number;
  const longest: number[] = [];
  for (let row = 0; row < lengths.length; row += 1) {
    if (longest.length === count && lengthOf(row) <= lengthOf(longest.at(-1) as number)) continue;
    const after = longest.findIndex((other) => lengthOf(other) < lengthOf(row));
    longest.splice(after < 0 ? longest.length : after, 0, row);
    longest.length = Math.min(longest.length, count);
  }
  return longest;
}

/** Of the first bits of a hash, which many millions of rows hardly share by chance. */
const digest = (ids: readonly number[], labels: readonly number[]): Buffer =>
  createHash("sha256")
    .update(JSON.stringify([ids, labels]))
    .digest();
