/** @file What is remembered between the steps of values: by AdamW, and by the adapter that they are of. */
import type { AdapterTensors } from "../adapters/adapter.ts";
import { copiedAll } from "../tensor.ts";
import { adamW, copiedState, type OptimizerState } from "./optimizer.ts";

/** Changed in place by the steps. */
export interface StepState extends OptimizerState {
  /** What the adapter remembers of the steps that were taken with this. */
  memory?: AdapterTensors;
}

export const newStepState = (tensors: AdapterTensors): StepState => adamW.init(tensors);

export const copiedStepState = ({ memory, ...state }: StepState): StepState => ({
  ...copiedState(state),
  ...(memory ? { memory: copiedAll(memory) } : {}),
});
