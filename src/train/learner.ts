/** @file Values that train, wherever they are, with what AdamW remembers of them: in ordinary memory, or on a device. */
import type { AdapterTensors, ModuleRank } from "../adapters/adapter.ts";
import type { TokenBatch } from "./batch.ts";
import type { Checkpointing } from "./checkpointing.ts";
import type { OptimizerConfig } from "./optimizer.ts";
import type { StepState } from "./step-state.ts";

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

/** Where a run stands: a step counted from 0, and how many there will be. */
export interface Progress {
  readonly step: number;
  readonly steps: number;
}

/** What an optimiser remembers of values between its steps, where they are. */
export interface Remembered {
  /** Steps taken. */
  readonly step: number;
  /** In ordinary memory, as it is at the moment of the call. */
  copy(): Promise<StepState>;
  /** Gives its memory back. */
  release(): void;
}

/** Values as they were at some time, and on demand the optimiser's with them. */
export interface Snapshot {
  /** Gives its memory back. */
  release(): void;
}

/** Values and all that is remembered of their steps, in ordinary memory. */
export interface LearnerState {
  readonly values: AdapterTensors;
  /** Null before the first step. */
  readonly optimizer: StepState | null;
}

export interface Learner {
  /** @param seed decides which elements dropout drops in this batch */
  gradients(batch: TokenBatch, seed: number, options?: Checkpointing): Promise<Lesson>;
  /** The loss alone, without dropout. */
  loss(batch: TokenBatch): Promise<Loss>;
  /**
   * One step of AdamW along the weighted mean.
   * @param progress which step of how many it is, where that is known
   * @returns the total norm of that before clipping
   * @throws GlmError "loss-not-finite" before anything is changed, when a gradient is NaN or infinite
   */
  step(config: OptimizerConfig, shares: readonly Share[], progress?: Progress): Promise<number>;
  /**
   * To be asked before a run.
   * @throws GlmError "option-invalid" when so many steps are too few for what the adapter does over a run
   */
  mustLast?(steps: number): void;
  /** What is left of each module's rank, where training gives ranks up. */
  ranks?(): readonly ModuleRank[] | undefined;
  snapshot(what: "values" | "all"): Promise<Snapshot>;
  /** Goes back to a snapshot of this learner, which can be used again. */
  restore(snapshot: Snapshot): Promise<void>;
  /** A copy of what it is at the moment of the call. */
  state(): Promise<LearnerState>;
  /** Becomes what another learner of the same parameters was. */
  adopt(state: LearnerState): Promise<void>;
}
