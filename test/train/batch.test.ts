/** @file Token rows as tensors: shifted, padded, selected, refused with every fault. */
import { describe, expect, it } from "vitest";
import { batchTensors, maskTensors, type TokenBatch } from "../../src/train/batch.ts";
import { oracleConfig } from "../oracle.ts";

const config = oracleConfig("chatglm2-6b");
const numbers = (batch: TokenBatch, name: string): number[] =>
  Array.from(batchTensors(batch, config).tensors[name]?.data ?? [], Number);

const batch: TokenBatch = {
  inputIds: [
    [5, 6, 7],
    [8, 9],
  ],
  labels: [
    [-100, 6, 7],
    [-100, 9],
  ],
};

describe("a batch", () => {
  it("selects the positions before labels, and what they shall predict", () => {
    expect(numbers(batch, "ids")).toEqual([5, 6, 7, 8, 9, 0]);
    expect(numbers(batch, "positions")).toEqual([0, 1, 2, 0, 1, 0]);
    expect(numbers(batch, "select")).toEqual([0, 1, 3]);
    expect(numbers(batch, "targets")).toEqual([6, 7, 9]);
    expect(numbers(batch, "weights")).toEqual(Array(3).fill(Math.fround(1 / 3)));
    expect(batchTensors(batch, config)).toMatchObject({ tokens: 3, sizes: { tokens: 6, chosen: 3 } });
  });

  it("lets no token see a later one", () => {
    const mask = numbers(batch, "mask");
    expect(mask.map((element) => element === 0)).toEqual([true, false, false, true, true, false, true, true, true]);
    expect(Math.max(...mask.filter((element) => element !== 0))).toBeLessThan(-1e8);
  });

  it("ignores the label of a row's first token, which nothing predicts", () => {
    const first = { inputIds: [[5, 6]], labels: [[5, 6]] };
    expect(numbers(first, "targets")).toEqual([6]);
    expect(() => batchTensors({ inputIds: [[5, 6]], labels: [[5, -100]] }, config)).toThrow("no label to learn from");
  });
});

describe("dropout masks", () => {
  const mask = (place: string, rate: number) => ({ name: `dropout of ${place}`, place, shape: ["tokens", 400], rate });
  const elements = (place: string, seed: number, rate = 0.25): number[] => {
    const tensors = maskTensors([mask(place, rate)], batchTensors(batch, config), seed);
    return Array.from(tensors[`dropout of ${place}`]?.data ?? [], Number);
  };

  it("drop at their rate and scale up what is left", () => {
    const drawn = elements("a", 1);
    expect(drawn).toHaveLength(6 * 400);
    expect(new Set(drawn)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
    expect(drawn.filter((element) => element === 0).length / drawn.length).toBeCloseTo(0.25, 1);
  });

  it("depend on the seed and the place, and on nothing else", () => {
    expect(elements("a", 1)).toEqual(elements("a", 1));
    expect(elements("a", 1)).not.toEqual(elements("b", 1));
    expect(elements("a", 1)).not.toEqual(elements("a", 2));
  });
});

describe("what is refused", () => {
  it("is named in one message, fault by fault", () => {
    const faulty = {
      inputIds: [[], [1, 999], [1, 2], [1.5], Array(300).fill(1)],
      labels: [[], [-100, 3], [-100], [-7]],
    };
    const message = [
      "the batch cannot be used:",
      "row 0: expected at least one id, got none",
      "row 1: expected ids from 0 to 159, got 999",
      "row 3: expected ids from 0 to 159, got 1.5",
      "row 4: 300 tokens, but the model reads at most 256",
      "labels: expected 5 rows, got 4",
      "row 2: expected 2 labels, one for each id, got 1",
      "row 3: expected labels to be ids or -100, got -7",
      "row 4: expected 300 labels, one for each id, got 0",
    ].join("\n- ");
    expect(() => batchTensors(faulty, config)).toThrow(expect.objectContaining({ code: "data-invalid", message }));
  });

  it("is a batch without rows", () => {
    expect(() => batchTensors({ inputIds: [], labels: [] }, config)).toThrow("expected at least one row, got none");
  });
});
