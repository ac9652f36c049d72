/** @file Rows of a data set: what they look like, how they are read, tokenised, labelled and batched. */

/** One example. `history` holds earlier rounds as [question, answer]. */
export interface Row {
  readonly prompt: string;
  readonly response: string;
  readonly system?: string;
  readonly history?: readonly (readonly [string, string])[];
}
