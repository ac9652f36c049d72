/** @file The process in which trials run: it is given numbers, and answers each with how its trial ended. */
import { fuzzTrials, type TrialResult } from "./trial.ts";

/** What the worker is asked: to run the trials from one number to before another. */
export interface FuzzRequest {
  readonly folder: string;
  readonly seed: number;
  readonly from: number;
  readonly to: number;
}

/** Sent when all is ready, before each trial, and after it. */
export type FuzzReply =
  | { readonly kind: "begun"; readonly trial: number }
  | { readonly kind: "ended"; readonly trial: number; readonly result: TrialResult; readonly grown: number }
  | { readonly kind: "failed"; readonly trial: number; readonly reason: string };

const send = (reply: FuzzReply): void => void process.send?.(reply);
/** The most memory that the process has ever had, in bytes. */
const peak = (): number => process.resourceUsage().maxRSS * 1024;

if (process.permission?.has("child") !== false) throw new Error("a fuzzing worker must not be able to start processes");
process.once("message", async ({ folder, seed, from, to }: FuzzRequest) => {
  const run = await fuzzTrials(folder, seed);
  const before = peak();
  for (let trial = from; trial < to; trial += 1) {
    send({ kind: "begun", trial });
    try {
      const result = await run(trial);
      send({ kind: "ended", trial, result, grown: peak() - before });
    } catch (error) {
      send({ kind: "failed", trial, reason: error instanceof Error ? error.message : String(error) });
    }
  }
  process.disconnect();
});
