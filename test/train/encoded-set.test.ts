/** @file Sets of encoded rows: the same whether they are held or encoded again, all faults at once, which are the longest. */
import { expect, it, vi } from "vitest";
import type { Row } from "../../src/data/row.ts";
import { inMemory } from "../../src/data/row-store.ts";
import { type EncodedRow, encodeRows, rowEncoder } from "../../src/train/encode.ts";
import { DIGEST_BYTES, type EncodedSet, encodeSet, longestRows } from "../../src/train/encoded-set.ts";
import { encodedRows } from "../../src/train/examples.ts";
import type { RowWriter } from "../../src/train/row-writer.ts";

const codes = (text: string): number[] => [...text].map((character) => character.codePointAt(0) ?? 0);
const writer: RowWriter = {
  prompt: ({ prompt }) => [1, ...codes(prompt)],
  response: ({ response }) => codes(response),
  ...{ prefix: 1, suffix: 1, opening: [], end: 2, role: undefined, isWhole: () => true, isBlank: () => false },
  turns: () => ({ start: [], messages: [] }),
};
const LIMITS = { maxLength: 20 };
const rows: readonly Row[] = Array.from({ length: 700 }, (_, i) => ({
  prompt: "q".repeat(1 + (i % 23)),
  response: `${i}`,
}));

async function encoded(
  given: readonly Row[],
  held?: number,
  encode: (row: Row) => EncodedRow = rowEncoder(writer, LIMITS),
): Promise<EncodedSet> {
  const coming = encodeSet(inMemory(given), encode, held);
  for (;;) {
    const { done, value } = await coming.next();
    if (done) return value;
  }
}

const examplesOf = (set: EncodedSet): unknown[] => Array.from({ length: set.length }, (_, i) => set.at(i));

it.each([
  ["held", undefined],
  ["encoded again", 100],
])("rows that are %s are those of one batch", async (_, held) => {
  const set = await encoded(rows, held);
  const expected = encodedRows(encodeRows(rows, writer, LIMITS));
  expect(examplesOf(set)).toMatchObject(expected);
  expect([...set.lengths]).toEqual(expected.map(({ ids }) => ids.length));
  expect(set.cut.rows).toBe(expected.filter(({ ids }) => ids.length === 20).length - exactly20(rows));
});

/** Those that are as long as they may be, and lose nothing. */
const exactly20 = (given: readonly Row[]): number =>
  given.filter(({ prompt, response }) => prompt.length + response.length + 2 === 20).length;

it("encodes each row once where they are held, and those that are asked for again where not", async () => {
  const encode = vi.fn(rowEncoder(writer, LIMITS));
  const held = await encoded(rows, undefined, encode);
  held.at(3);
  expect(encode).toHaveBeenCalledTimes(700);
  const again = await encoded(rows, 100, encode);
  again.at(3);
  expect(encode).toHaveBeenCalledTimes(1401);
});

it("knows a row again by what is read and learnt of it", async () => {
  const digestOf = async (row: Row, limits = LIMITS): Promise<string> =>
    (await encoded([row], undefined, rowEncoder(writer, limits))).digests.toString("hex");
  const row = { prompt: "ab", response: "c" };
  expect(await digestOf(row)).toBe(await digestOf({ ...row }));
  expect(await digestOf(row)).toHaveLength(2 * DIGEST_BYTES);
  // The same ids, of which more is learnt; and a cut that leaves the rest as it was.
  expect(await digestOf({ prompt: "a", response: "bc" })).not.toBe(await digestOf(row));
  const long = { prompt: "abcdef", response: "c" };
  expect(await digestOf(long, { maxLength: 6 })).not.toBe(await digestOf(long));
});

it("tells all rows that cannot be learnt together, by their numbers", async () => {
  const faulty = rows.map((row, i) => (i % 300 === 299 ? { ...row, response: " " } : row));
  await expect(encoded(faulty)).rejects.toThrow(/these rows:\n- row 300 \(.*\n- row 600 \([^\n]*$/);
  const all = Array.from({ length: 1000 }, () => ({ prompt: "q", response: "" }));
  await expect(encoded(all)).rejects.toThrow(/row 10 .*\n- and 990 more$/);
});

it("finds the longest rows, the earlier of those that are as long", () => {
  expect(longestRows([3, 9, 1, 9, 4], 3)).toEqual([1, 3, 4]);
  expect(longestRows([2, 2, 2], 2)).toEqual([0, 1]);
  expect(longestRows(Uint32Array.of(5), 4)).toEqual([0]);
});
