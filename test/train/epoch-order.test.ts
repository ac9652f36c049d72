/** @file Which rows meet in a step: every row once, like lengths together, in an order that chance decides. */
import { describe, expect, it } from "vitest";
import { randomStream } from "../../src/random.ts";
import { epochOrder, type OrderOptions } from "../../src/train/epoch-order.ts";

const stream = randomStream(5, "lengths");
/** Of 403 rows, of 1 to 200 tokens. */
const lengths = Uint32Array.from({ length: 403 }, () => 1 + stream.integer(200));
const options = { batchSize: 4, accumulate: 2, seed: 3 };
type Steps = readonly (readonly (readonly number[])[])[];

function stepsOf(rows: Uint32Array, how: OrderOptions, epoch: number): Steps {
  const order = epochOrder(rows, how, epoch);
  return Array.from({ length: order.steps }, (_, i) => order.step(i));
}

const longest = (rows: readonly number[]): number => Math.max(...rows.map((row) => lengths[row] as number));
/** Tokens with padding, over all batches. */
const padded = (steps: Steps): number => steps.flat().reduce((sum, batch) => sum + batch.length * longest(batch), 0);

describe.each([false, true])("an epoch's steps, mixLengths %s", (mixLengths) => {
  const epoch = (number: number) => stepsOf(lengths, { ...options, mixLengths }, number);

  it("have every row once, in batches and steps of the sizes asked for", () => {
    const steps = epoch(2);
    expect(steps).toHaveLength(Math.ceil(403 / 8));
    expect(steps.flat(2).sort((a, b) => a - b)).toEqual([...lengths.keys()]);
    expect(steps.slice(0, -1).every((step) => step.length === 2 && step.every(({ length }) => length === 4))).toBe(
      true,
    );
    expect(steps.at(-1)?.flat()).toHaveLength(3);
  });

  it("are the same for the same seed and epoch, and others for others", () => {
    expect(epoch(2).flat(2)).toEqual(epoch(2).flat(2));
    expect(epoch(3).flat(2)).not.toEqual(epoch(2).flat(2));
    expect(stepsOf(lengths, { ...options, mixLengths, seed: 4 }, 2).flat(2)).not.toEqual(epoch(2).flat(2));
  });

  it("begin with the longest row, once", () => {
    const most = Math.max(...lengths);
    expect(longest(epoch(1)[0]?.flat() ?? [])).toBe(most);
    const first = [2, 3, 4, 5, 6, 7].map((number) => longest(epoch(number)[0]?.flat() ?? []));
    expect(first.every((length) => length === most)).toBe(false);
  });
});

it("pads much less where lengths are not mixed, and follows no order of lengths", () => {
  const [sorted, mixed] = [false, true].map((mixLengths) => stepsOf(lengths, { ...options, mixLengths }, 2));
  expect(padded(sorted ?? [])).toBeLessThan(0.75 * padded(mixed ?? []));
  const most = (sorted ?? []).map((step) => longest(step.flat()));
  const falls = most.filter((length, i) => i > 0 && length < (most[i - 1] as number)).length;
  expect(falls).toBeGreaterThan(most.length / 4);
  expect(falls).toBeLessThan((3 * most.length) / 4);
});

it("leaves few rows to chance alone", () => {
  const few = lengths.slice(0, 12);
  const sorted = stepsOf(few, { ...options, accumulate: 1 }, 2);
  expect(sorted.flat(2)).toEqual(stepsOf(few, { ...options, accumulate: 1, mixLengths: true }, 2).flat(2));
});
