/** @file Where the values of adapters are while they train: in ordinary memory, or on a device. */
import type { AdapterTensors } from "../adapters/adapter.ts";
import type { TokenBatch } from "../train/batch.ts";
import type { Checkpointing } from "../train/checkpointing.ts";
import type { Learner, Loss } from "../train/learner.ts";
import type { OptimizerConfig } from "../train/optimizer.ts";
import type { AdapterInstance } from "./adapter-instance.ts";

/** Gradients that wait for a step of the place that made them. */
export interface HeldGradients {
  /** In ordinary memory. */
  read(): Promise<AdapterTensors>;
  release(): void;
}

/** What a run over a batch gives to a loop by hand. */
export interface HeldLesson extends Loss {
  readonly gradients: HeldGradients;
}

export interface TrainingPlace {
  /** How often what trains is in memory beside its values, about. */
  readonly copies: number;
  /** One run over a batch with the adapter's values as they are. */
  gradients(adapter: AdapterInstance, batch: TokenBatch, seed: number, options?: Checkpointing): Promise<HeldLesson>;
  /**
   * One step along the mean of gradients, weighted by their tokens. Its caller has the adapter for itself.
   * @returns the total norm of that before clipping
   * @throws GlmError "loss-not-finite" before anything is changed
   */
  step(
    adapter: AdapterInstance,
    optimizer: string,
    config: OptimizerConfig,
    lessons: readonly HeldLesson[],
  ): Promise<number>;
  /** What trains an adapter as long as `use` lasts. Its caller has the adapter for itself. */
  learning<E>(
    adapter: AdapterInstance,
    use: (learner: Learner) => AsyncGenerator<E, void, void>,
  ): AsyncGenerator<E, void, void>;
  /** Changes the adapter's tensors, which are its values then. Its caller has the adapter for itself. */
  atHome<T>(adapter: AdapterInstance, change: () => T): Promise<T>;
  /** The adapter is no longer there: whatever is held for it goes. */
  forget(adapter: AdapterInstance): Promise<void>;
  /** Before adapters are written for the last time. */
  giveUpWhatIsLost(): void;
  dispose(): Promise<void>;
}
