/** @file How a run of training goes. */
import type { Row } from "../data/row.ts";
import type { Checkpointing } from "./checkpointing.ts";
import type { Monitor } from "./monitor.ts";
import type { SchedulerName } from "./schedule.ts";

export interface FitOptions extends Checkpointing {
  readonly epochs: number;
  /** Optimiser steps after which it ends, however many epochs that are; 0 leaves it to `epochs`. */
  readonly maxSteps?: number;
  readonly lr: number;
  readonly batchSize: number;
  /** Batches whose gradients make one optimiser step. */
  readonly accumulate: number;
  /** Whether rows of any lengths make a batch; false when it is left out: those of like lengths do, which pads less. */
  readonly mixLengths?: boolean;
  /** Largest total gradient norm; 0 turns clipping off. */
  readonly clip: number;
  /** Of all that trains but biases and the weights of norms. */
  readonly weightDecay: number;
  readonly scheduler: SchedulerName;
  /** Linear warm-up: steps, or below 1 a share of all steps. */
  readonly warmup: number;
  /** Steps from one validation to the next; 0 validates after each epoch. */
  readonly validateEvery?: number;
  /** What says which values are the best: the loss on the validation rows, or a score of what is answered to them. */
  readonly monitor?: Monitor;
  /** Validations (without validation rows: epochs) that may follow each other without a better one before it stops; 0 = never. */
  readonly patience: number;
  /**
   * Rows repeated beside every batch so that what the model knew stays; together they weigh as much as the batch. Rows
   * with a response are used as they are; those whose response is empty are answered by the base model first.
   */
  readonly rehearse: readonly Row[];
  /** How many rehearsal rows join each batch. */
  readonly rehearsePerBatch: number;
  /** Longest row in tokens; longer prompts lose their start, the response and its end mark are kept. */
  readonly maxLength: number;
  /** Longest prompt in tokens; 0 leaves it what the answer leaves. */
  readonly maxPromptLength?: number;
  /** Whether `<|assistant|>`, which opens an answer, is learnt as well: published scripts differ. */
  readonly learnRole?: boolean;
  readonly seed: number;
  /** Token ids that end an answer of the base. */
  readonly stop: readonly number[];
}
