import { describe, expect, it } from "vitest";
import { toFloat16 } from "../src/float16.ts";
import { toFloat32 } from "../src/float32.ts";
import { tensor } from "../src/tensor.ts";

const bits = (...numbers: number[]): number[] => [
  ...toFloat16(tensor("float32", [numbers.length], Float32Array.from(numbers))).data,
];

describe("toFloat16", () => {
  it("returns every finite half unchanged", () => {
    const patterns = Uint16Array.from({ length: 65536 }, (_, i) => i).filter((i) => (i & 0x7c00) !== 0x7c00);
    const halves = toFloat32(tensor("float16", [patterns.length], patterns));
    // Negative zero keeps its sign, too.
    expect(toFloat16(halves).data).toEqual(patterns);
  });

  it("rounds to nearest, ties to even, also below the smallest normal number and into infinity", () => {
    expect(bits(1 + 2 ** -11, 1 + 3 * 2 ** -11, 1 + 2 ** -11 + 2 ** -20)).toEqual([0x3c00, 0x3c02, 0x3c01]);
    expect(bits(2 ** -25, 3 * 2 ** -25, 2 ** -25 + 2 ** -40, 2 ** -27)).toEqual([0, 2, 1, 0]);
    expect(bits(65504, 65519.9, 65520, -1e9, Number.POSITIVE_INFINITY)).toEqual([
      0x7bff, 0x7bff, 0x7c00, 0xfc00, 0x7c00,
    ]);
    expect(bits(Number.NaN)[0]! & 0x7fff).toBeGreaterThan(0x7c00);
  });
});
