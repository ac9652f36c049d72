import { expect, test } from "vitest";
import { type SchedulerName, scheduleFactor, schedulerNames } from "../../src/train/schedule.ts";
import expected from "../fixtures/oracle/schedules.json" with { type: "json" };

test.each(["linear", "cosine"] as const)("%s equals transformers' schedule with warm-up", (name) => {
  const { lr, warmup_steps, total_steps, lr_used_at_step } = expected[name];
  expect(lr_used_at_step).toHaveLength(total_steps);
  lr_used_at_step.forEach((rate, step) => {
    expect(lr * scheduleFactor(name, step, total_steps, warmup_steps)).toBeCloseTo(rate, 15);
  });
});

test("constant rises once and stays; nothing goes below 0 or past the end", () => {
  expect([0, 1, 2, 3, 4, 99].map((step) => scheduleFactor("constant", step, 10, 4))).toEqual([
    0, 0.25, 0.5, 0.75, 1, 1,
  ]);
  for (const name of schedulerNames satisfies readonly SchedulerName[]) {
    expect(scheduleFactor(name, 0, 10, 0)).toBe(1);
    expect(scheduleFactor(name, 50, 10, 2)).toBeGreaterThanOrEqual(0);
    expect(scheduleFactor(name, 3, 3, 3)).toBe(1);
  }
});
