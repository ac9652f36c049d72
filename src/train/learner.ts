/** @file Values that train, wherever they are, with what AdamW remembers of them: in ordinary memory, or on a device. */
import type { AdapterTensors } from "../adapters/adapter.ts";
import { copiedAll, type FloatTensor } from "../tensor.ts";
import type { TokenBatch } from "./batch.ts";
import { adamW, type OptimizerConfig, type OptimizerState, weightedMean } from "./optimizer.ts";

export interface Loss {
  /** Mean cross-entropy over the labelled tokens, in nats. */
  readonly loss: number;
  /** Labelled tokens. */
  readonly tokens: number;
}

/** What a run over a batch gives. */
export interface Lesson extends Loss {
  /** For a step of the learner that made them, which uses them up. */
  readonly gradients: unknown;
}

/** Gradients that make a step, and what they weigh in it. */
export interface Share {
  readonly gradients: unknown;
  readonly weight: number;
}

/** Values as they were at some time, and on demand the optimiser's with them. */
export interface Snapshot {
  /** Gives its memory back. */
  release(): void;
}

export interface Learner {
  /** @param seed decides which elements dropout drops in this batch */
  gradients(batch: TokenBatch, seed: number): Promise<Lesson>;
  /** The loss alone, without dropout. */
  loss(batch: TokenBatch): Promise<Loss>;
  /**
   * One step of AdamW along the weighted mean.
   * @returns the total norm of that before clipping
   * @throws GlmError "loss-not-finite" before anything is changed, when a gradient is NaN or infinite
   */
  step(config: OptimizerConfig, shares: readonly Share[]): Promise<number>;
  snapshot(what: "values" | "all"): Promise<Snapshot>;
  /** Goes back to a snapshot of this learner, which can be used again. */
  restore(snapshot: Snapshot): Promise<void>;
}

/** Trains tensors in ordinary memory, in place. */
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

/** Runs over batches with the tensors as they are. */
export interface HostRuns {
  gradients(batch: TokenBatch, seed: number): Promise<Lesson & { readonly gradients: AdapterTensors }>;
  loss(batch: TokenBatch): Promise<Loss>;
}

interface HostSnapshot extends Snapshot {
  readonly values: AdapterTensors;
  readonly state?: OptimizerState;
}

const copiedState = ({ step, mean, square }: OptimizerState): OptimizerState => ({
  step,
  mean: copiedAll(mean),
  square: copiedAll(square),
});
