/** @file Combinations of effects: the same object as long as their parts are, and forgotten with them. */
import { expect, it } from "vitest";
import type { AdapterEffect } from "../../src/adapters/adapter.ts";
import { CombinedEffects } from "../../src/engine/combined-effects.ts";
import { tensor } from "../../src/tensor.ts";

const matrix = (shape: [number, number], ...values: number[]) => tensor("float32", shape, Float32Array.from(values));
const update = (down: number, up: number): AdapterEffect => ({
  lowRank: new Map([["m", { down: matrix([2, 1], down, 1), up: matrix([1, 2], up, 2) }]]),
});
const replaced = (value: number): AdapterEffect => ({ overrides: new Map([["p", matrix([1, 1], value)]]) });
const part = (effect: AdapterEffect, weight = 1) => ({ name: "one", effect, weight });
const base = { read: async () => matrix([1, 1], 10) };

function subject(kept?: number) {
  const gone: AdapterEffect[] = [];
  return { combined: new CombinedEffects(base, (effect) => gone.push(effect), kept), gone };
}

it("adds up what parts do", async () => {
  const { combined } = subject();
  const sum = await combined.of([part(update(3, 4), 0.5), part(update(5, 6), -1), part(replaced(11), 3)]);
  expect(sum?.lowRank?.get("m")).toEqual({
    down: matrix([2, 2], 3, 5, 1, 1),
    up: matrix([2, 2], 2, 1, -6, -2),
  });
  expect(sum?.overrides?.get("p")).toEqual(matrix([1, 1], 13));
  expect(await combined.of([])).toBeUndefined();
});

it("is the same object until a part goes, and tells who holds something for it", async () => {
  const { combined, gone } = subject();
  const [a, b, c] = [update(1, 2), update(3, 4), replaced(5)];
  expect(await combined.of([part(a)])).toBe(a);
  const [first, again] = await Promise.all([combined.of([part(a), part(b, 2)]), combined.of([part(a), part(b, 2)])]);
  expect(again).toBe(first);
  const other = await combined.of([part(a), part(c)]);
  expect(other?.overrides, "rows with c alone can share a run").toBe(c.overrides);
  expect(await combined.of([part(a), part(b, 3)])).not.toBe(first);
  expect(await combined.of([part(a), part(b, 2)])).toBe(first);
  combined.over(c);
  await Promise.resolve();
  expect(gone).toEqual([other]);
  expect(await combined.of([part(a), part(b, 2)])).toBe(first);
  combined.over(b);
  await Promise.resolve();
  expect(gone).toContain(first);
  // Who still has it is answered, and nothing is remembered.
  const late = await combined.of([part(a), part(b, 2)]);
  expect(late).not.toBe(first);
  expect(gone).toContain(late);
});

it("forgets what goes while it is made, and what could not be made", async () => {
  const { combined, gone } = subject();
  const [a, b] = [update(1, 2), replaced(3)];
  const making = combined.of([part(a), part(b, 2)]);
  combined.over(a);
  expect(gone).toEqual([]);
  expect(gone).toEqual([await making]);
  const prefix = { prefix: { length: 1, layers: [] } };
  await expect(combined.of([part(prefix, 0.5), part(b)])).rejects.toThrow("expected weight 1, got 0.5");
});

it("remembers no more than there is room for, the one used last at least", async () => {
  const { combined, gone } = subject(60);
  const [a, b] = [update(1, 2), update(3, 4)];
  const first = await combined.of([part(a), part(b, 2)]);
  const second = await combined.of([part(a), part(b, 3)]);
  await Promise.resolve();
  expect(gone).toEqual([first]);
  expect(await combined.of([part(a), part(b, 3)])).toBe(second);
});
