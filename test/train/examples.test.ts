/** @file Batches of encoded rows: where they are cut, what is drawn, how parts are weighted. */
import { describe, expect, it } from "vitest";
import { randomStream } from "../../src/random.ts";
import { tensor } from "../../src/tensor.ts";
import {
  byLength,
  drawn,
  type Example,
  encodedRows,
  joined,
  Mean,
  meanLoss,
  shares,
} from "../../src/train/examples.ts";
import { weightedMean } from "../../src/train/optimizer.ts";

const ofLength = (length: number): Example => ({ ids: Array(length).fill(7), labels: Array(length).fill(-100) });
const lengths = (examples: readonly Example[]): number[] => examples.map(({ ids }) => ids.length);

describe("byLength", () => {
  it("cuts where padding is least, when that saves a quarter of the tokens", () => {
    // One batch pads to 4 x 40 = 160 tokens; 3 x 10 + 40 = 70.
    expect(byLength([10, 40, 10, 8].map(ofLength)).map(lengths)).toEqual([[8, 10, 10], [40]]);
    // 4 x 12 = 48 against at best 2 x 10 + 2 x 12 = 44: not worth a run.
    expect(byLength([12, 10, 11, 10].map(ofLength)).map(lengths)).toEqual([[10, 10, 11, 12]]);
    // Exactly a quarter: 2 x 10 = 20 against 5 + 10 = 15.
    expect(byLength([10, 5].map(ofLength)).map(lengths)).toEqual([[5], [10]]);
    expect(byLength([10, 6].map(ofLength)).map(lengths)).toEqual([[6, 10]]);
  });

  it("loses no row, whatever the lengths", () => {
    const stream = randomStream(0, "lengths");
    for (let round = 0; round < 50; round += 1) {
      const rows = Array.from({ length: 1 + stream.integer(9) }, () => ofLength(1 + stream.integer(60)));
      const batches = byLength(rows);
      expect(batches.length).toBeLessThanOrEqual(2);
      expect(new Set(batches.flat())).toEqual(new Set(rows));
      const padded = batches.reduce((sum, batch) => sum + batch.length * Math.max(...lengths(batch)), 0);
      expect(padded).toBeLessThanOrEqual(rows.length * Math.max(...lengths(rows)));
    }
    expect(byLength([])).toEqual([]);
  });
});

it("takes batches apart into rows and puts rows together again", () => {
  const batch = { inputIds: [[1, 2, 3], [4]], labels: [[-100, 2, 3], [4]] };
  expect(encodedRows(batch)).toEqual([
    { ids: [1, 2, 3], labels: [-100, 2, 3] },
    { ids: [4], labels: [4] },
  ]);
  expect(joined(encodedRows(batch))).toEqual(batch);
});

it("draws a few without repetition, every one of them some time, and all when there are no more", () => {
  const items = ["a", "b", "c", "d", "e"];
  const seen = new Set<string>();
  for (let place = 0; place < 40; place += 1) {
    const some = drawn(items, 3, randomStream(1, place));
    expect(new Set(some).size).toBe(3);
    for (const one of some) seen.add(one);
  }
  expect([...seen].sort()).toEqual(items);
  expect(drawn(items, 5, randomStream(1))).toEqual(items);
  expect(drawn(items, 9, randomStream(1))).toEqual(items);
  expect(drawn(items, 0, randomStream(1))).toEqual([]);
  expect(drawn([], 0, randomStream(1))).toEqual([]);
});

it("weights by labelled tokens: lessons together weigh as much as what is rehearsed", () => {
  const part = (value: number, tokens: number, loss: number) => ({
    loss,
    tokens,
    gradients: { w: tensor("float32", [1], Float32Array.of(value)) },
  });
  const lessons = [part(1, 10, 2), part(5, 30, 4)];
  const rehearsed = [part(-2, 500, 0.5)];
  expect(shares(lessons).map(({ weight }) => weight)).toEqual([0.25, 0.75]);
  expect(meanLoss(lessons)).toBe(0.25 * 2 + 0.75 * 4);
  // (0.25 x 1 + 0.75 x 5) and -2, half each.
  expect(weightedMean([...shares(lessons), ...shares(rehearsed)]).w?.data[0]).toBeCloseTo((4 - 2) / 2, 6);
  expect(weightedMean(shares(lessons)).w?.data[0]).toBeCloseTo(4, 6);
});

it("is NaN as a mean of nothing, and knows no mean before it was told anything", () => {
  const mean = new Mean();
  expect(mean.value).toBeNaN();
  mean.add(3, 2);
  mean.add(9, 1);
  expect(mean.value).toBe(5);
});
