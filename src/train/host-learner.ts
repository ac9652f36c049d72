/** @file Training of tensors in ordinary memory, in place. */
import type { Adapter, AdapterTensors } from "../adapters/adapter.ts";
import { copiedAll, type FloatTensor } from "../tensor.ts";
import type { TokenBatch } from "./batch.ts";
import type { Learner, Lesson, Loss, Snapshot } from "./learner.ts";
import { adamW, clipped, copiedState, type OptimizerState, weightedMean } from "./optimizer.ts";

/** Runs over batches with the tensors as they are. */
export interface HostRuns {
  gradients(batch: TokenBatch, seed: number): Promise<Lesson & { readonly gradients: AdapterTensors }>;
  loss(batch: TokenBatch): Promise<Loss>;
}

interface HostSnapshot extends Snapshot {
  readonly values: AdapterTensors;
  readonly state?: OptimizerState;
  /** What the adapter remembers of its steps. */
  readonly memory?: AdapterTensors;
}

/** @param afterStep of the adapter, if it does anything then */
export function hostLearner(
  tensors: AdapterTensors,
  { gradients, loss }: HostRuns,
  afterStep?: Adapter["afterStep"],
): Learner {
  let state = adamW.init(tensors);
  let memory: AdapterTensors | undefined;
  return {
    gradients,
    loss,
    async step(config, shares, progress) {
      const parts = shares.map(({ gradients, weight }) => ({ gradients: gradients as AdapterTensors, weight }));
      const mean = weightedMean(parts);
      const norm = adamW.update(config, state, tensors, mean);
      if (afterStep && progress) {
        memory = afterStep({ tensors, gradients: clipped(mean, norm, config), memory, ...progress });
      }
      return norm;
    },
    snapshot: async (what) => {
      const copy: HostSnapshot = {
        values: copiedAll(tensors),
        ...(what === "all" ? { state: copiedState(state) } : {}),
        ...(what === "all" && memory ? { memory: copiedAll(memory) } : {}),
        release: () => undefined,
      };
      return copy;
    },
    async restore(snapshot) {
      const { values, state: before, memory: remembered } = snapshot as HostSnapshot;
      for (const [name, { data }] of Object.entries(values)) (tensors[name] as FloatTensor).data.set(data);
      if (before) state = copiedState(before);
      if (before) memory = remembered && copiedAll(remembered);
    },
  };
}
