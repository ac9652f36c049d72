/** @file How far written matrices are from what they were to be, by hand. */
import { expect, test } from "vitest";
import { DeviationSum } from "../../src/quantization/deviation.ts";

const numbers = (...values: number[]): Float32Array => Float32Array.from(values);

test("a loss of what merging changed is that of matrices that change, whatever rounding does to others", () => {
  const sum = new DeviationSum();
  sum.add("changes", numbers(3, 5), numbers(3, 4), numbers(1, 5));
  expect(sum.total).toMatchObject({ matrices: 1, max: 1, ofChange: 0.5 });
  sum.add("stays, by an adapter without effect on it", numbers(1, 2), numbers(1, 4), numbers(1, 2));
  sum.add("stays", numbers(1, 2), numbers(1, 4));
  const { matrices, max, relative, ofChange } = sum.total;
  expect([matrices, max, ofChange]).toEqual([3, 2, 0.5]);
  expect(relative).toBeCloseTo(Math.sqrt((1 + 4 + 4) / (34 + 5 + 5)), 12);
});

test("nothing is told of changes where nothing changes", () => {
  const sum = new DeviationSum();
  sum.add("stays", numbers(1, 2), numbers(1, 4), numbers(1, 2));
  expect(sum.total).not.toHaveProperty("ofChange");
});
