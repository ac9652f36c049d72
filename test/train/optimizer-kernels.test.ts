import { expect, test } from "vitest";
import { normals, randomStream } from "../../src/random.ts";
import { stepVector, sumOfSquares, weightedSum } from "../../src/train/optimizer-kernels.ts";

/** Less than a vector of four, a block less one and more by one, several blocks. */
const LENGTHS = [0, 1, 3, 4, 4095, 4096, 4097, 10_001] as const;

const random = (what: string, length: number): Float32Array => normals(randomStream(1, what), length, 0.1);

/** As JavaScript computes it, in doubles. */
function stepped(g: number, p: number, m: number, s: number): { p: number; m: number; s: number } {
  const gradient = g * 0.5;
  const mean = m * 0.9 + gradient * 0.1;
  const square = s * 0.999 + gradient * gradient * 0.001;
  return { p: p - p * 1e-3 - (0.01 * mean) / (Math.sqrt(square) + 1e-8), m: mean, s: square };
}

test.each(LENGTHS)("a step of %d elements is that of each", (length) => {
  const gradients = random("gradient", length);
  const [p, m] = [random("value", length), random("mean", length)];
  const s = random("square", length).map((x) => x * x);
  const before = { p: p.slice(), m: m.slice(), s: s.slice(), gradients: gradients.slice() };
  const numbers = { factor: 0.5, beta1: 0.9, beta2: 0.999, rate: 0.01, eps: 1e-8, decay: 1e-3 };
  stepVector(numbers, gradients, p, m, s);
  expect(gradients).toEqual(before.gradients);
  for (let i = 0; i < length; i += 1) {
    const after = stepped(gradients[i]!, before.p[i]!, before.m[i]!, before.s[i]!);
    for (const [got, wanted] of [
      [p[i]!, after.p],
      [m[i]!, after.m],
      [s[i]!, after.s],
    ] as const) {
      if (!(Math.abs(got - wanted) < 1e-6 * Math.max(0.1, Math.abs(wanted))))
        expect({ i, got }).toEqual({ i, got: wanted });
    }
  }
});

test.each(LENGTHS)("the squares of %d elements are summed, nothing that was there before with them", (length) => {
  sumOfSquares(new Float32Array(5000).fill(3));
  const elements = random("elements", length);
  const wanted = elements.reduce((sum, x) => sum + x * x, 0);
  expect(Math.abs(sumOfSquares(elements) - wanted)).toBeLessThanOrEqual(1e-12 * wanted);
});

test("what is no number, or more than one can say, shows in the sum wherever it is", () => {
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const place of [0, 1, 2, 3, 4096, 4098]) {
      const elements = new Float32Array(4099);
      elements[place] = bad;
      expect(Number.isFinite(sumOfSquares(elements))).toBe(false);
    }
  }
  expect(sumOfSquares(new Float32Array(4).fill(3e38))).toBeGreaterThan(1e77);
});

test.each(LENGTHS)("the weighted sum of vectors of %d elements", (length) => {
  const [a, b] = [random("a", length), random("b", length)];
  const sum = weightedSum([
    { data: a, weight: 0.25 },
    { data: b, weight: 0.75 },
  ]);
  expect(sum).toHaveLength(length);
  for (let i = 0; i < length; i += 1) {
    const wanted = a[i]! * 0.25 + b[i]! * 0.75;
    if (!(Math.abs(sum[i]! - wanted) < 1e-7)) expect({ i, got: sum[i] }).toEqual({ i, got: wanted });
  }
});

test("elements of a view are its own", () => {
  const whole = Float32Array.of(9, 1, 2, 9);
  const view = whole.subarray(1, 3);
  expect(sumOfSquares(view)).toBe(5);
  const zeros = (): Float32Array => new Float32Array(2);
  stepVector(
    { factor: 1, beta1: 0, beta2: 0, rate: 1, eps: 0, decay: 0 },
    Float32Array.of(4, -4),
    view,
    zeros(),
    zeros(),
  );
  expect([...whole]).toEqual([9, 0, 3, 9]);
});
