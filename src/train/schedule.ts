/** @file Learning-rate schedules: a factor by step. The same numbers as transformers' get_*_schedule_with_warmup. */

export type SchedulerName = "constant" | "linear" | "cosine";

/** What the rate does after the warm-up; `progress` goes from 0 to 1. */
const shapes: Readonly<Record<SchedulerName, (progress: number) => number>> = {
  constant: () => 1,
  linear: (progress) => 1 - progress,
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
};

export const schedulerNames: readonly SchedulerName[] = Object.keys(shapes) as SchedulerName[];

/**
 * The factor on the learning rate.
 * @param step steps already taken: 0 for the first one
 * @param steps of the whole training
 * @param warmup steps over which the factor rises from 0 to 1; the first of them has a rate of 0
 */
export function scheduleFactor(name: SchedulerName, step: number, steps: number, warmup: number): number {
  if (step < warmup) return step / warmup;
  const progress = Math.min(1, (step - warmup) / Math.max(1, steps - warmup));
  return shapes[name](progress);
}

/** @param warmup steps, or below 1 a share of all of them, rounded up as transformers' trainer does */
export const warmupSteps = (warmup: number, steps: number): number => (warmup < 1 ? Math.ceil(warmup * steps) : warmup);
