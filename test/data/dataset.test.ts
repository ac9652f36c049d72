import { expect, test } from "vitest";
import { type BatchOptions, dataset } from "../../src/data/dataset.ts";
import type { Row } from "../../src/data/row.ts";

const rows = Array.from({ length: 10 }, (_, i): Row => ({ prompt: `q${i}`, response: `a${i}` }));
const prompts = (batch: { rows: readonly Row[] }): string => batch.rows.map((row) => row.prompt).join(" ");

test("every epoch has every row once, in an order of its own that the seed repeats", async () => {
  const seen: string[][] = [[], [], []];
  const sizes: number[] = [];
  let last = 0;
  for await (const batch of dataset(rows).batches({ size: 4, epochs: 3, seed: 5 })) {
    seen[batch.epoch - 1]?.push(...batch.rows.map((row) => row.prompt));
    sizes.push(batch.rows.length);
    expect(batch.step).toBe(++last);
  }
  expect(sizes).toEqual([4, 4, 2, 4, 4, 2, 4, 4, 2]);
  for (const order of seen) expect([...order].sort()).toEqual(rows.map((row) => row.prompt));
  expect(new Set(seen.map(String)).size).toBe(3);
  const orders = (seed: number): string[] => [...dataset(rows).batches({ size: 10, epochs: 2, seed })].map(prompts);
  expect(orders(5)).toEqual(seen.slice(0, 2).map((order) => order.join(" ")));
  expect(orders(6)).not.toEqual(orders(5));
});

test("without shuffling the order is the rows' own", () => {
  expect([...dataset(rows).batches({ size: 5, shuffle: false })].map(prompts)).toEqual([
    "q0 q1 q2 q3 q4",
    "q5 q6 q7 q8 q9",
  ]);
});

test("a split is a partition that keeps the order and depends on the seed", () => {
  const { train, validation } = dataset(rows).split(0.3, 1);
  expect([train.rows.length, validation.rows.length]).toEqual([7, 3]);
  for (const part of [train, validation])
    expect(part.rows.map((row) => row.prompt)).toEqual(part.rows.map((row) => row.prompt).sort());
  expect([...train.rows, ...validation.rows].map((row) => row.prompt).sort()).toEqual(rows.map((row) => row.prompt));
  const held = Array.from({ length: 8 }, (_, seed) => prompts(dataset(rows).split(0.3, seed).validation));
  expect(new Set(held).size).toBeGreaterThan(3);
  expect(prompts(dataset(rows).split(0.3, 1).validation)).toBe(prompts(validation));
});

test("what cannot be is refused", () => {
  expect(() => dataset([])).toThrow(expect.objectContaining({ code: "data-invalid" }));
  expect(() => dataset(rows[0] as unknown as Row[])).toThrow(/expected a list of rows.*got object.*brackets/);
  for (const fraction of [0, 1, 0.01, -1, Number.NaN])
    expect(() => dataset(rows).split(fraction)).toThrow(/split: expected a fraction/);
  expect(() => [...dataset(rows).batches({ size: 0 })]).toThrow(/size: expected a whole number from 1, got 0/);
  expect(() => [...dataset(rows).batches({ size: 1, epochs: 1.5 })]).toThrow(/epochs: .*got 1.5/);
});

test("options of batches and shares are checked, all at once", () => {
  const data = dataset([
    { prompt: "a", response: "b" },
    { prompt: "c", response: "d" },
  ]);
  const refused = (options: unknown) => () => [...data.batches(options as BatchOptions)];
  expect(refused({ size: "1", epoch: 2, shuffle: "no", seed: 0.5 })).toThrow(
    expect.objectContaining({
      code: "option-invalid",
      message: [
        "batches:",
        "epoch: there is no such option. Did you mean epochs?",
        'size: expected a whole number from 1, got "1".',
        'shuffle: expected true or false, got "no".',
        "seed: expected a whole number, got 0.5.",
      ].join("\n- "),
    }),
  );
  expect(refused(undefined)).toThrow("batches: size: expected a whole number from 1, got undefined.");
  for (const options of [null, 8]) expect(refused(options)).toThrow(/^batches: expected options such as/);
  for (const share of ["0.5", null, Number.NaN, 5n])
    expect(() => data.split(share as never)).toThrow(/^split: expected/);
});
