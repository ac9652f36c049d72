/** @file What says how good a run is: the loss on rows that are not trained on, or any score of their answers. */
import { type ScoreName, scoreNames, scores } from "../scores/score.ts";

export type Monitor = "loss" | ScoreName;

export const monitors: readonly Monitor[] = ["loss", ...scoreNames];

/** Whether more of it is better. */
const isRising = (monitor: Monitor): boolean => monitor !== "loss" && scores[monitor].unit === "share";

/** What a judgement came to. */
export interface Judged {
  /** The monitor's. */
  readonly value: number;
  readonly loss: number;
}

/**
 * Of scores that are alike, as most are while nothing is answered right, the lower loss is better.
 * @param before undefined when nothing was measured yet
 */
export function isBetter(monitor: Monitor, { value, loss }: Judged, before: Judged | undefined): boolean {
  if (Number.isNaN(value)) return false;
  if (before === undefined || Number.isNaN(before.value)) return true;
  if (value === before.value) return loss < before.loss;
  return isRising(monitor) ? value > before.value : value < before.value;
}
