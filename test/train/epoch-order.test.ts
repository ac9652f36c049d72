/** @file Which rows meet in a step: every row once, like lengths together, in an order that chance decides. */
import { describe, expect, it } from "vitest";
import { randomStream } from "../../src/random.ts";
import { stepsOfEpoch } from "../../src/train/epoch-order.ts";
import type { Example } from "../../src/train/examples.ts";

const stream = randomStream(5, "lengths");
/** 403 rows of 1 to 200 ids, the first of which tells the row. */
const rows: readonly Example[] = Array.from({ length: 403 }, (_, row) => {
  const ids = [row, ...Array.from({ length: stream.integer(200) }, () => 0)];
  return { ids, labels: ids };
});
const options = { batchSize: 4, accumulate: 2, seed: 3 };
const flat = (steps: readonly (readonly (readonly Example[])[])[]): number[] =>
  steps.flat(2).map(({ ids }) => ids[0] as number);
/** Tokens with padding, over all batches. */
const padded = (steps: ReturnType<typeof stepsOfEpoch>): number =>
  steps.flat().reduce((sum, batch) => sum + batch.length * Math.max(...batch.map(({ ids }) => ids.length)), 0);
const longest = (step: readonly (readonly Example[])[]): number =>
  Math.max(...step.flat().map(({ ids }) => ids.length));

describe.each([false, true])("an epoch's steps, mixLengths %s", (mixLengths) => {
  const epoch = (number: number) => stepsOfEpoch(rows, { ...options, mixLengths }, number);

  it("have every row once, in batches and steps of the sizes asked for", () => {
    const steps = epoch(2);
    expect(steps).toHaveLength(Math.ceil(403 / 8));
    expect(flat(steps).sort((a, b) => a - b)).toEqual([...rows.keys()]);
    expect(steps.slice(0, -1).every((step) => step.length === 2 && step.every(({ length }) => length === 4))).toBe(
      true,
    );
    expect(steps.at(-1)?.flat()).toHaveLength(3);
  });

  it("are the same for the same seed and epoch, and others for others", () => {
    expect(flat(epoch(2))).toEqual(flat(epoch(2)));
    expect(flat(epoch(3))).not.toEqual(flat(epoch(2)));
    expect(flat(stepsOfEpoch(rows, { ...options, mixLengths, seed: 4 }, 2))).not.toEqual(flat(epoch(2)));
  });

  it("begin with the longest row, once", () => {
    const most = Math.max(...rows.map(({ ids }) => ids.length));
    expect(longest(epoch(1)[0] ?? [])).toBe(most);
    const first = [2, 3, 4, 5, 6, 7].map((number) => longest(epoch(number)[0] ?? []));
    expect(first.every((length) => length === most)).toBe(false);
  });
});

it("pads much less where lengths are not mixed, and follows no order of lengths", () => {
  const [sorted, mixed] = [false, true].map((mixLengths) => stepsOfEpoch(rows, { ...options, mixLengths }, 2));
  expect(padded(sorted ?? [])).toBeLessThan(0.75 * padded(mixed ?? []));
  const lengths = (sorted ?? []).map(longest);
  const falls = lengths.filter((length, i) => i > 0 && length < (lengths[i - 1] as number)).length;
  expect(falls).toBeGreaterThan(lengths.length / 4);
  expect(falls).toBeLessThan((3 * lengths.length) / 4);
});

it("leaves few rows to chance alone", () => {
  const few = rows.slice(0, 12);
  const sorted = stepsOfEpoch(few, { ...options, accumulate: 1 }, 2);
  expect(flat(sorted)).toEqual(flat(stepsOfEpoch(few, { ...options, accumulate: 1, mixLengths: true }, 2)));
});
