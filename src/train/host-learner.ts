/** @file Training of tensors in ordinary memory, in place. */
import type { AdapterTensors } from "../adapters/adapter.ts";
import { copiedAll, type FloatTensor } from "../tensor.ts";
import type { TokenBatch } from "./batch.ts";
import type { Learner, Lesson, Loss, Snapshot } from "./learner.ts";
import { adamW, copiedState, type OptimizerState, weightedMean } from "./optimizer.ts";

/** Runs over batches with the tensors as they are. */
export interface HostRuns {
  gradients(batch: TokenBatch, seed: number): Promise<Lesson & { readonly gradients: AdapterTensors }>;
  loss(batch: TokenBatch): Promise<Loss>;
}

interface HostSnapshot extends Snapshot {
  readonly values: AdapterTensors;
  readonly state?: OptimizerState;
}

export function hostLearner(tensors: AdapterTensors, { gradients, loss }: HostRuns): Learner {
  let state = adamW.init(tensors);
  return {
    gradients,
    loss,
    step: async (config, shares) =>
      adamW.update(
        config,
        state,
        tensors,
        weightedMean(shares.map(({ gradients, weight }) => ({ gradients: gradients as AdapterTensors, weight }))),
      ),
    snapshot: async (what) => {
      const copy: HostSnapshot = {
        values: copiedAll(tensors),
        ...(what === "all" ? { state: copiedState(state) } : {}),
        release: () => undefined,
      };
      return copy;
    },
    async restore(snapshot) {
      const { values, state: before } = snapshot as HostSnapshot;
      for (const [name, { data }] of Object.entries(values)) (tensors[name] as FloatTensor).data.set(data);
      if (before) state = copiedState(before);
    },
  };
}
