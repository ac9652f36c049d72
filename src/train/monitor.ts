/** @file What says how good a run is: the loss on rows that are not trained on, or any score of their answers. */
import { type ScoreName, scoreNames, scores } from "../scores/score.ts";

export type Monitor = "loss" | ScoreName;

export const monitors: readonly Monitor[] = ["loss", ...scoreNames];

/** Whether more of it is better. */
const isRising = (monitor: Monitor): boolean => monitor !== "loss" && scores[monitor].unit === "share";

/** @param before undefined when nothing was measured yet */
export function isBetter(monitor: Monitor, value: number, before: number | undefined): boolean {
  if (Number.isNaN(value)) return false;
  if (before === undefined || Number.isNaN(before)) return true;
  return isRising(monitor) ? value > before : value < before;
}
