import { expect, test } from "vitest";
import { fillDropoutMask, normals, randomStream, shuffled, threefry } from "../src/random.ts";

test("threefry equals the published test vectors", () => {
  // Random123's kat_vectors, threefry2x32 with 20 rounds: counter, key, result.
  const cases = [
    [0, 0, 0, 0, 0x6b200159, 0x99ba4efe],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x1cb996fc, 0xbb002be7],
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xc4923a9c, 0x483df7a0],
  ] as const;
  for (const [low, high, k0, k1, x, y] of cases) {
    const out = new Uint32Array(2);
    threefry(Uint32Array.of(k0, k1), low, high, out);
    expect([...out]).toEqual([x, y]);
  }
});

const draw = (...place: (number | string)[]): number[] => {
  const stream = randomStream(7, ...place);
  return Array.from({ length: 8 }, () => stream.bits());
};

test("a place has its own numbers, whatever else was drawn", () => {
  expect(draw("dropout", 3)).toEqual(draw("dropout", 3));
  const places = [
    draw(),
    draw(0),
    draw(3),
    draw("3"),
    draw("dropout", 3),
    draw(3, "dropout"),
    draw("dropout", 4),
    draw(2 ** 32 + 3),
    draw(-3),
  ];
  expect(new Set(places.map(String)).size).toBe(places.length);
  expect(draw()).not.toEqual(
    Array.from(
      { length: 8 },
      (
        (s) => () =>
          s.bits()
      )(randomStream(-7)),
    ),
  );
});

test("uniform, integer and normal have the moments of their distributions", () => {
  const stream = randomStream(1, "moments");
  const size = 40_000;
  const mean = (values: number[]): number => values.reduce((a, b) => a + b, 0) / values.length;
  const uniform = Array.from({ length: size }, () => stream.uniform());
  expect(Math.abs(mean(uniform) - 0.5)).toBeLessThan(0.006);
  expect(Math.abs(mean(uniform.map((u) => (u - 0.5) ** 2)) - 1 / 12)).toBeLessThan(0.003);
  const normal = [...normals(stream, size, 2)];
  expect(Math.abs(mean(normal))).toBeLessThan(0.05);
  expect(Math.abs(mean(normal.map((z) => z * z)) - 4)).toBeLessThan(0.15);
  expect(Math.abs(mean(normal.map((z) => z ** 4)) - 3 * 16)).toBeLessThan(5);
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < size; i++) counts[stream.integer(7)]! += 1;
  const expected = size / 7;
  expect(counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)).toBeLessThan(25); // chi-squared, 6 degrees
});

test("shuffling keeps every item, reaches every order and leaves its argument alone", () => {
  const items = Object.freeze(["a", "b", "c"]);
  const orders = new Set(Array.from({ length: 200 }, (_, i) => shuffled(randomStream(i), items).join("")));
  expect([...orders].sort()).toEqual(["abc", "acb", "bac", "bca", "cab", "cba"]);
});

test("a dropout mask drops its share and keeps the mean", () => {
  const mask = new Float32Array(20_001);
  fillDropoutMask(randomStream(5), mask, 0.1);
  const dropped = mask.filter((v) => v === 0).length / mask.length;
  expect(Math.abs(dropped - 0.1)).toBeLessThan(0.01);
  expect(new Set(mask.filter((v) => v !== 0)).size).toBe(1);
  expect(Math.max(...mask)).toBeCloseTo(1 / 0.9, 4);
  expect(mask.every((v) => v === 0 || v > 1)).toBe(true);
});

test("a seed that is no integer is refused", () => {
  expect(() => randomStream(0.5)).toThrow(/seed: expected an integer.*got 0.5/);
  expect(() => randomStream(Number.NaN)).toThrow(/seed/);
});
