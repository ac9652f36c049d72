/** @file Which rows come next: each one that is not known once in a pass, known ones only to fill up. */
import { describe, expect, it } from "vitest";
import { Recall } from "../../src/train/recall.ts";

describe("Recall", () => {
  it("takes kept rows to be known and lessons not to be, until they are asked", () => {
    const recall = new Recall(5, 3, 0);
    expect(recall.pending()).toEqual([0, 1, 2]);
    expect(recall.count).toBe(2);
    recall.mark([2, 3], [true, false]);
    expect(recall.pending()).toEqual([0, 1, 3]);
    expect(recall.count).toBe(2);
    // The lessons' flags only, and those of this moment.
    const flags = recall.lessons();
    recall.mark([0], [true]);
    expect(flags).toEqual([false, false, true]);
    expect(recall.lessons()).toEqual([true, false, true]);
  });

  it.each([
    [5, 3],
    [7, 2],
    [8, 8],
    [3, 8],
    [10, 4],
  ])("of %i pending rows in steps of %i, none comes again before all others have come", (pending, size) => {
    for (const seed of [0, 1, 2]) {
      const recall = new Recall(pending, pending, seed);
      const drawn: number[] = [];
      for (let step = 0; step < 40; step += 1) {
        const rows = recall.draw(size, step);
        expect(rows).toHaveLength(Math.min(size, pending));
        expect(new Set(rows).size).toBe(rows.length);
        drawn.push(...rows);
        // At any moment, no row has been seen two times more than another.
        const seen = Array.from({ length: pending }, (_, row) => drawn.filter((one) => one === row).length);
        expect(Math.max(...seen) - Math.min(...seen)).toBeLessThanOrEqual(1);
      }
    }
  });

  it("fills up with known lessons, never with kept rows, and teaches kept rows that were lost", () => {
    const recall = new Recall(8, 5, 3);
    recall.mark([0, 1, 2], [true, true, true]);
    const filled = new Set<number>();
    for (let step = 0; step < 30; step += 1) {
      const rows = recall.draw(4, step);
      expect(rows.slice(0, 2).sort()).toEqual([3, 4]);
      expect(new Set(rows).size).toBe(4);
      for (const row of rows.slice(2)) filled.add(row);
    }
    expect([...filled].sort()).toEqual([0, 1, 2]);
    recall.mark([6], [false]);
    expect(recall.draw(3, 0).sort()).toEqual([3, 4, 6]);
    recall.mark([3, 4, 6], [true, true, true]);
    // Nothing is pending: any lessons.
    const any = recall.draw(4, 1);
    expect(new Set(any).size).toBe(4);
    expect(Math.max(...any)).toBeLessThan(5);
    expect(recall.draw(9, 1).sort()).toEqual([0, 1, 2, 3, 4]);
  });

  it("does not draw a row that became known while it waited for its turn", () => {
    const recall = new Recall(6, 6, 0);
    const first = recall.draw(2, 0);
    const others = [0, 1, 2, 3, 4, 5].filter((row) => !first.includes(row));
    recall.mark(others.slice(0, 3), [true, true, true]);
    expect(recall.draw(3, 1).sort()).toEqual([...first, others[3]].sort());
  });

  it("draws the same with the same seed, and otherwise with another", () => {
    const run = (seed: number): number[][] => {
      const recall = new Recall(12, 12, seed);
      return Array.from({ length: 6 }, (_, step) => recall.draw(5, step));
    };
    expect(run(4)).toEqual(run(4));
    expect(run(4)).not.toEqual(run(5));
  });
});
