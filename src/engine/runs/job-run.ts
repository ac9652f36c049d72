/** @file A run that is a job of processes of their own: nobody else may train its adapter meanwhile, and what is known of it lies in its folder. */
import { GlmError } from "../../errors.ts";
import { jobState } from "../../torchrun/traces.ts";
import type { AdapterRef, RunInfo } from "../engine.ts";
import type { RunFolder, RunRecord } from "./run-folder.ts";

/** How a job stands. */
export async function jobInfo(ref: AdapterRef, { steps, epochs, started }: RunRecord, job: string): Promise<RunInfo> {
  const { state, step, ...others } = await jobState(job);
  return { ...ref, engine: "torchrun", state, step, steps, epochs, started, detached: true, folder: job, ...others };
}

/** The folder of the job that the last run was; undefined when it was none. */
export async function jobOf(folder: RunFolder): Promise<string | undefined> {
  // What is damaged says nothing of a job, and must not keep its adapter from being saved or deleted.
  return (await folder.record().catch(() => undefined))?.job;
}

/**
 * The same.
 * @throws GlmError "adapter-invalid" while that job runs
 */
export async function endedJob(folder: RunFolder, name: string): Promise<string | undefined> {
  const job = await jobOf(folder);
  if (job === undefined || (await jobState(job)).state !== "running") return job;
  throw new GlmError(
    "adapter-invalid",
    `adapter ${name} is being trained by a job, in ${job}. Wait for it (%train attach ${name}), end it (%train stop ${name}), or use another name.`,
  );
}
