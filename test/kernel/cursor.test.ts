import { expect, test } from "vitest";
import { toPoints, toUnits } from "../../kernel/cursor.ts";

const code = 'a😀é"𝒳';

test("code points and UTF-16 units agree with the string iterator at every position", () => {
  const points = [...code];
  for (let count = 0; count <= points.length; count++) {
    const units = points.slice(0, count).join("").length;
    expect(toUnits(code, count)).toBe(units);
    expect(toPoints(code, units)).toBe(count);
  }
});

test("past the end is the end", () => {
  expect(toUnits(code, 99)).toBe(code.length);
  expect(toPoints(code, 99)).toBe(5);
  expect(toUnits(code, Number.MAX_SAFE_INTEGER)).toBe(code.length);
});
