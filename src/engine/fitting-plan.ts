/** @file The form of weights that a load gets: what was asked for, or where that was left open, what fits into memory. */
import type { Capabilities } from "../backend/device.ts";
import { GlmError } from "../errors.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { type CheckpointContent, type Plan, planWeights } from "../quantization/plan.ts";
import type { LoadParams, Precision } from "./engine.ts";
import { type MemoryThere, mustFitMemory } from "./memory-fit.ts";

export interface FittingPlan {
  readonly plan: Plan;
  readonly precision: Precision;
  /** What its user should know of it: that memory is tight, or why it is not exact. */
  readonly remark?: string;
}

/**
 * @throws GlmError "out-of-memory" when no form that was left open would ever fit, "option-invalid" when what was asked for does
 * not go with the checkpoint
 */
export function fittingPlan(
  given: CheckpointContent,
  { name, quantize, precision }: Pick<LoadParams, "name" | "quantize" | "precision">,
  config: ChatGLMConfig,
  can: Capabilities,
  there: MemoryThere,
): FittingPlan {
  const planned = (chosen: Precision): FittingPlan => {
    const plan = planWeights(name, given, { quantize, precision: chosen }, can);
    const remark = mustFitMemory(name, given, plan, config, can, there);
    return { plan, precision: chosen, ...(remark === undefined ? {} : { remark }) };
  };
  if (precision !== "auto") return planned(precision);
  try {
    return planned("exact");
  } catch (error) {
    const isTooLarge = error instanceof GlmError && error.code === "out-of-memory";
    if (!isTooLarge || !can.float16 || quantize !== "none" || given.bits) throw error;
    const { remark, ...half } = planned("fast");
    const why = "in float16: in float32, which is exact, it would not fit into the GPU's memory.";
    return { ...half, remark: remark === undefined ? why : `${why}\n${remark}` };
  }
}
