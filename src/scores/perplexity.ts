/** @file Perplexity: how surprised a model is by the reference, from the loss that training reports. */

/** What a model's reading of a reference came to. */
export interface ReferenceLoss {
  /** Cross-entropy of the labelled tokens together, in nats. */
  readonly loss: number;
  /** Labelled tokens: those of the answer, and its end mark. */
  readonly tokens: number;
}

/** The exponential of the mean loss a token, of all references together: at least 1. */
export function perplexity(losses: readonly ReferenceLoss[]): number {
  const sum = (of: (one: ReferenceLoss) => number): number => losses.reduce((total, one) => total + of(one), 0);
  return Math.exp(sum(({ loss }) => loss) / sum(({ tokens }) => tokens));
}
