/** @file What all trials have in common, whatever they are of. */
import { GlmError } from "../../src/errors.ts";

/** What is mutated: files of models, adapters' folders, files of training rows, messages to a runtime. */
export const fuzzKinds = ["files", "adapters", "rows", "messages"] as const;
export type FuzzKind = (typeof fuzzKinds)[number];

/** Only trials of messages need another process than their own, and what is no JavaScript. */
export const startsProcesses = (kind: FuzzKind): boolean => kind === "messages";

/** How a trial ended: refused; the same as unchanged; something else, where nobody could have known. */
export type Outcome = "refused" | "same" | "other";

export interface TrialResult {
  readonly mutation: string;
  /** Subject, file and mutation, for people. */
  readonly what: string;
  readonly outcome: Outcome;
}

/** Runs the trial of a number; the same seed and number make the same trial. It throws when that ends badly. */
export type Trial = ((trial: number) => Promise<TrialResult>) & {
  /** Ends what the trials have started. */
  readonly end?: () => Promise<void>;
};

/** Prepares trials in a folder of their own. */
export type Trials = (folder: string, seed: number) => Promise<Trial>;

/** Longest message in characters: one that repeats what is damaged helps nobody. */
const MAX_MESSAGE = 20_000;

/** @throws whatever is no error that people were meant to read */
export function mustBeMeant(error: unknown): asserts error is GlmError {
  if (!(error instanceof GlmError)) throw error;
  if (error.message.length > MAX_MESSAGE) throw new Error(`its message has ${error.message.length} characters`);
}
