/** @file From logits to the next token: repetition penalty, temperature, top-k, top-p, in the reference's order. */

export interface SamplingOptions {
  readonly maxNewTokens: number;
  /** Takes the likeliest token; the options below are then ignored. */
  readonly greedy: boolean;
  readonly temperature: number;
  readonly topP: number;
  /** 0 turns it off. */
  readonly topK: number;
  readonly repetitionPenalty: number;
  /** The same seed, prompt and weights give the same tokens. */
  readonly seed: number;
  /** Token ids that end a row; they are not part of the answer. */
  readonly stop: readonly number[];
}
