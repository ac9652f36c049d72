/** @file The process in which trials run: it is given numbers, and answers each with how its trial ended. */
import { type FuzzKind, startsProcesses, type TrialResult, type Trials } from "./kinds.ts";

/** What can be mutated, and the trials of each. */
const kinds = {
  files: async () => (await import("./trial.ts")).fuzzTrials,
  adapters: async () => (await import("./adapter-trials.ts")).adapterTrials,
  rows: async () => (await import("./row-trials.ts")).rowTrials,
  messages: async () => (await import("./message-trials.ts")).messageTrials,
} satisfies Record<FuzzKind, () => Promise<Trials>>;

/** What the worker is asked: to run the trials from one number to before another. */
export interface FuzzRequest {
  readonly kind: FuzzKind;
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

process.once("message", async ({ kind, folder, seed, from, to }: FuzzRequest) => {
  if (!startsProcesses(kind) && process.permission?.has("child") !== false) {
    throw new Error("a fuzzing worker must not be able to start processes");
  }
  const run = await (await kinds[kind]())(folder, seed);
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
  await run.end?.();
  process.disconnect();
});
