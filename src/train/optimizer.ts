/** @file AdamW as a pure pair { init, update }, and clipping by total norm. */

export interface OptimizerConfig {
  readonly kind: "adamW";
  readonly lr: number;
  readonly betas: readonly [number, number];
  readonly eps: number;
  readonly weightDecay: number;
  /** Largest total gradient norm; 0 turns clipping off. */
  readonly clip: number;
}
