/**
 * @file Training until rows are answered exactly: the loop asks as it goes, by free greedy generation, and stops when the
 * model knows. What it should keep knowing is rehearsed beside it.
 */
import { GlmError } from "../errors.ts";
import { type Pupil, type Step, Teaching, type TeachOptions, type TeachRows } from "./teaching.ts";

/** `recalled` says of each lesson whether it was answered exactly when it was last asked. */
export type TeachEvent =
  | { readonly type: "start"; readonly lessons: number; readonly budget: number }
  | ({
      readonly type: "step";
      /** From 1. */
      readonly step: number;
      readonly budget: number;
    } & Step)
  | {
      readonly type: "check";
      readonly step: number;
      readonly recalled: readonly boolean[];
      /** Whether these are the values that stay if it is given up now: the first ones do until more is known. */
      readonly best: boolean;
    }
  | {
      readonly type: "done";
      readonly steps: number;
      readonly recalled: readonly boolean[];
      /** Of the last step; NaN when none was needed. */
      readonly loss: number;
      readonly seconds: number;
      readonly reason: "recalled" | "budget";
    };

/**
 * Trains until every lesson and every kept row is answered exactly, or the budget is spent. However it ends, the tensors
 * are those of the check that found most rows recalled, also when it is abandoned at an event or fails; abandoned before more
 * is known than at the beginning, they are as they were.
 * @throws GlmError "data-invalid" for rows that cannot be learnt, "loss-not-finite" when training breaks down at every rate
 */
export async function* teach(
  pupil: Pupil,
  rows: TeachRows,
  options: TeachOptions,
): AsyncGenerator<TeachEvent, void, void> {
  const budget = options.steps;
  const started = performance.now();
  if (rows.lessons.length === 0) throw new GlmError("data-invalid", "teaching needs at least one row, got none.");
  const teaching = new Teaching(pupil, rows, options);
  yield { type: "start", lessons: rows.lessons.length, budget };
  await teaching.begin();
  yield { type: "check", step: 0, recalled: teaching.recalled, best: true };
  try {
    while (!teaching.isOver) {
      const step = await teaching.step();
      if (!step) continue;
      yield { type: "step", step: teaching.taken, budget, ...step };
      if (!teaching.isCheckDue) continue;
      const verdict = await teaching.check();
      yield { type: "check", step: teaching.taken, recalled: teaching.recalled, best: verdict.isKept };
      await teaching.conclude(verdict);
    }
  } finally {
    await teaching.keepBest();
  }
  await teaching.askAll();
  yield {
    type: "done",
    steps: teaching.taken,
    recalled: teaching.recalled,
    loss: teaching.loss,
    seconds: (performance.now() - started) / 1000,
    reason: teaching.knowsAll ? "recalled" : "budget",
  };
}
