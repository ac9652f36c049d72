/** @file The training loop: epochs, accumulation, schedule, validation, early stopping, best values. */
import type { SchedulerName } from "./schedule.ts";
import type { Row } from "./dataset.ts";

export interface FitOptions {
  readonly epochs: number;
  readonly lr: number;
  readonly batchSize: number;
  /** Batches whose gradients make one optimiser step. */
  readonly accumulate: number;
  /** Largest total gradient norm; 0 turns clipping off. */
  readonly clip: number;
  readonly weightDecay: number;
  readonly scheduler: SchedulerName;
  /** Steps of linear warm-up. */
  readonly warmup: number;
  /** Epochs without a better validation loss (training loss without validation rows) before it stops; 0 = never. */
  readonly patience: number;
  /**
   * Rows mixed into every batch so that what the model knew stays. Rows with a response are used as they are; those
   * whose response is empty are answered by the base model first.
   */
  readonly rehearse: readonly Row[];
  /** How many rehearsal rows join each batch. */
  readonly rehearsePerBatch: number;
  /** Longest row in tokens; longer prompts lose their start, the response and its end mark are kept. */
  readonly maxLength: number;
  readonly seed: number;
}

/** `step` counts optimiser steps from 1, `epoch` from 1. Losses are means over labelled tokens in nats. */
export type FitEvent =
  | { readonly type: "start"; readonly steps: number; readonly epochs: number; readonly rows: number }
  | { readonly type: "rehearse"; readonly done: number; readonly total: number }
  | {
      readonly type: "step";
      readonly step: number;
      readonly steps: number;
      readonly epoch: number;
      readonly loss: number;
      readonly lr: number;
      readonly gradientNorm: number;
      readonly tokens: number;
      readonly seconds: number;
    }
  | {
      readonly type: "epoch";
      readonly epoch: number;
      readonly loss: number;
      readonly validationLoss?: number;
      readonly best: boolean;
    }
  | { readonly type: "done"; readonly steps: number; readonly bestEpoch: number; readonly loss: number; readonly seconds: number; readonly reason: "epochs" | "patience" };
