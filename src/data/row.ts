/** @file One row of training data. */

/** One example. `history` holds earlier rounds as [question, answer]. */
export interface Row {
  readonly prompt: string;
  readonly response: string;
  readonly system?: string;
  readonly history?: readonly (readonly [string, string])[];
}
