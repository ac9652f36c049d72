/** @file A step of values in ordinary memory: AdamW's, and what their adapter does after it. */
import type { Adapter, AdapterTensors } from "../adapters/adapter.ts";
import type { Progress } from "./learner.ts";
import { adamW, clipped, type OptimizerConfig, weightedMean } from "./optimizer.ts";
import type { StepState } from "./step-state.ts";

/**
 * Takes one step along the mean of gradients, in place.
 * @param progress which step of how many it is; an adapter does nothing after a step of which that is not known
 * @returns the total norm of the mean before clipping
 * @throws GlmError "loss-not-finite" before anything is changed
 */
export function takeStep(
  { afterStep }: Pick<Adapter, "afterStep">,
  config: OptimizerConfig,
  state: StepState,
  tensors: AdapterTensors,
  shares: readonly { readonly gradients: AdapterTensors; readonly weight: number }[],
  progress?: Progress,
): number {
  const mean = weightedMean(shares);
  const norm = adamW.update(config, state, tensors, mean);
  if (afterStep && progress) {
    state.memory = afterStep({ tensors, gradients: clipped(mean, norm, config), memory: state.memory, ...progress });
  }
  return norm;
}
