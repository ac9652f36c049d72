/** @file Whether training keeps what its gradients need, or computes it again. */

export interface Checkpointing {
  /**
   * Whether going back computes again what happens within each layer of the model, rather than to keep it: less memory, more time,
   * the same gradients. False when it is left out.
   */
  readonly gradientCheckpointing?: boolean;
}
