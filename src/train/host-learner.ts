/** @file Training of tensors in ordinary memory, in place. */
import type { Adapter, AdapterTensors } from "../adapters/adapter.ts";
import { copiedAll, type FloatTensor } from "../tensor.ts";
import type { TokenBatch } from "./batch.ts";
import type { Checkpointing } from "./checkpointing.ts";
import { takeStep } from "./host-step.ts";
import type { Learner, Lesson, Loss, Snapshot } from "./learner.ts";
import { copiedStepState, newStepState, type StepState } from "./step-state.ts";

/** Runs over batches with the tensors as they are. */
export interface HostRuns {
  gradients(
    batch: TokenBatch,
    seed: number,
    options?: Checkpointing,
  ): Promise<Lesson & { readonly gradients: AdapterTensors }>;
  loss(batch: TokenBatch): Promise<Loss>;
}

interface HostSnapshot extends Snapshot {
  readonly values: AdapterTensors;
  readonly state?: StepState;
}

/** @param adapter whose values they are, if it takes part in steps */
export function hostLearner(
  tensors: AdapterTensors,
  { gradients, loss }: HostRuns,
  adapter: Pick<Adapter, "afterStep" | "mustLast" | "ranks"> = {},
): Learner {
  let state = newStepState(tensors);
  return {
    gradients,
    loss,
    async step(config, shares, progress) {
      const parts = shares.map(({ gradients, weight }) => ({ gradients: gradients as AdapterTensors, weight }));
      return takeStep(adapter, config, state, tensors, parts, progress);
    },
    mustLast: (steps) => adapter.mustLast?.(steps),
    ranks: () => adapter.ranks?.(tensors, state.memory),
    snapshot: async (what) => {
      const copy: HostSnapshot = {
        values: copiedAll(tensors),
        ...(what === "all" ? { state: copiedStepState(state) } : {}),
        release: () => undefined,
      };
      return copy;
    },
    async restore(snapshot) {
      const { values, state: before } = snapshot as HostSnapshot;
      for (const [name, { data }] of Object.entries(values)) (tensors[name] as FloatTensor).data.set(data);
      if (before) state = copiedStepState(before);
      // What an adapter remembers of other values says nothing of these.
      else delete state.memory;
    },
    state: async () => ({
      values: copiedAll(tensors),
      optimizer: state.step === 0 ? null : copiedStepState(state),
    }),
    async adopt({ values, optimizer }) {
      for (const [name, { data }] of Object.entries(values)) (tensors[name] as FloatTensor).data.set(data);
      state = optimizer ? copiedStepState(optimizer) : newStepState(tensors);
    },
  };
}
