/** @file How busy the machine is, so that bounds of time mean the same on an idle one and on one that others keep busy. */
import { setTimeout as pause } from "node:timers/promises";

const STEPS = 10;
const STEP_MS = 50;

/** How late this process's timers are over the next half of a second, in milliseconds: next to nothing on an idle machine. */
export async function lateness(): Promise<number> {
  const start = performance.now();
  for (let step = 0; step < STEPS; step++) await pause(STEP_MS);
  return performance.now() - start - STEPS * STEP_MS;
}

/** A second, or as much more of it as a machine takes that is so late. */
export const aSecond = (late: number): number => 1000 + 10 * late;
