/** @file What a training run will take, and what it took. */
import { duration, grouped } from "../../magics/render/text.ts";
import type { TrainingPlan } from "../../src/api/training-plan.ts";
import { byteSize } from "../../src/byte-size.ts";
import { plural } from "../../src/plural.ts";
import type { Values } from "./command.ts";
import { isLocal } from "./loading.ts";

export function planText({ rows, tokens, learnt, longest, memory }: TrainingPlan): string {
  const { weights, values, gradients, optimizer, activations } = memory;
  const parts = [
    `weights ${byteSize(weights)}`,
    `trained values ${byteSize(values)}`,
    `their gradients ${byteSize(gradients)}`,
    `AdamW ${byteSize(optimizer)}`,
    `a step ${byteSize(activations)}`,
  ];
  return [
    `${plural(rows, "row")}, ${grouped(tokens)} tokens, of which ${grouped(learnt)} are learnt; the longest row has ${grouped(longest)}`,
    `Memory, estimated: ${byteSize(totalOf(memory))} beside the program: ${parts.join(", ")}`,
  ].join("\n");
}

const totalOf = (memory: TrainingPlan["memory"]): number =>
  Object.values(memory).reduce((sum, bytes) => sum + bytes, 0);

/** Seconds of a run from its first steps: the first one prepares what the others use. */
export function estimatedSeconds(seconds: readonly number[], steps: number): number {
  const [first = 0, ...later] = seconds;
  if (later.length === 0) return first * steps;
  return first + ((steps - 1) * later.reduce((sum, one) => sum + one, 0)) / later.length;
}

/**
 * The most memory that this process has had, beside what was estimated; undefined where the model is elsewhere.
 * @param programBytes what it had before the model was loaded
 */
export function memoryText({ memory }: TrainingPlan, programBytes: number, values: Values): string | undefined {
  if (!isLocal(values)) return undefined;
  const peak = process.resourceUsage().maxRSS * 1024;
  const more = byteSize(Math.max(0, peak - programBytes));
  return `Memory: ${more} measured at most, beside the program's ${byteSize(programBytes)}; ${byteSize(totalOf(memory))} estimated`;
}

/** Time as it was estimated after the first steps, and as it was. */
export function timeText(seconds: readonly number[]): string {
  const measured = seconds.reduce((sum, one) => sum + one, 0);
  const estimated = estimatedSeconds(seconds.slice(0, MEASURED), seconds.length);
  return `Time: ${duration(measured)} measured, ${duration(estimated)} estimated after ${plural(Math.min(MEASURED, seconds.length), "step")}`;
}

/** Steps that an estimate of time is made of. */
export const MEASURED = 3;
