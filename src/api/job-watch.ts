/** @file A job that trains an adapter, watched from here: from its first event on, whoever started it, until what it trained is in the adapter. */
import { writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { inOrder } from "../ambient.ts";
import type { AdapterRef } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { isFile } from "../regular-file.ts";
import { askToStop, follow, untilEnded } from "../torchrun/follow.ts";
import { type Job, RESULT, readJob } from "../torchrun/job.ts";
import { jobState, keptSteps, TAKEN } from "../torchrun/traces.ts";
import type { FitEvent } from "../train/trainer.ts";
import type { HandleContext } from "./context.ts";

/** Milliseconds after an interrupt: Jupyter interrupts a kernel that it is about to end, too, and the job is not to end with it. */
const CLOSING = 1000;

/** What a job is run for. */
export interface JobRun {
  readonly context: HandleContext;
  readonly adapter: AdapterRef;
  /** Read when the loop begins: the cell that reads is the cell that can interrupt. */
  readonly signal: AbortSignal | undefined;
}

/**
 * Watches a job of this adapter that was started before.
 * @throws GlmError "option-invalid" when the folder has no job of it on this model
 */
export async function* attachToJob(run: JobRun, place: string, detach: boolean): AsyncGenerator<FitEvent, void, void> {
  const folder = resolve(place);
  const { adapter, model } = await readJob(folder);
  const { info } = run.context;
  const refuse = (expected: string, got: string, remedy: string): GlmError =>
    new GlmError("option-invalid", `attachJob: ${folder}: expected a job of ${expected}, got one of ${got}. ${remedy}`);
  if (adapter !== run.adapter.name)
    throw refuse(`the adapter ${run.adapter.name}`, adapter, "Attach with that adapter.");
  if (model.key !== info.weightsKey)
    throw refuse(
      `the loaded model ${info.name}`,
      model.name,
      "Load that model as it was loaded then, and attach there.",
    );
  yield* watched(run, folder, detach);
}

/**
 * What a job tells; what it trained comes into the adapter when it ends.
 * @param detach whether whoever looks no longer leaves the job running; else it ends after its step, which is kept
 */
export async function* watched(run: JobRun, folder: string, detach: boolean): AsyncGenerator<FitEvent, void, void> {
  const job = await readJob(folder);
  let isOver = false;
  try {
    for await (const event of follow(folder, run.signal)) {
      if (event.type === "done" || event.type === "stopped") {
        isOver = true;
        await takeBack(run, folder, job);
      }
      if (event.type !== "stopped") yield event;
    }
    // Also where it was stopped before it told anything.
    isOver = true;
  } catch (error) {
    if (!isOver && !run.signal?.aborted) {
      isOver = true;
      throw await withWhatIsKept(run, folder, job, error);
    }
    throw error;
  } finally {
    if (!isOver && !detach) {
      await inOrder(async () => {
        if (run.signal?.aborted) await wait(CLOSING);
        await stopped(run, folder, job);
      });
    }
  }
}

/**
 * Ends a job that runs, after its step; one that has ended is only brought back.
 * @throws GlmError "adapter-changed" when the adapter was changed here meanwhile
 */
export async function stopJob(run: JobRun, folder: string): Promise<void> {
  const job = await readJob(folder);
  if ((await jobState(folder)).state === "running") await stopped(run, folder, job, run.signal);
  else await takeBack(run, folder, job);
}

/** @param signal asks to wait no longer; it ends all the same */
async function stopped(run: JobRun, folder: string, job: Job, signal?: AbortSignal): Promise<void> {
  await askToStop(folder);
  await untilEnded(folder, signal);
  await takeBack(run, folder, job);
}

/** Brings what was trained into its adapter, once. */
async function takeBack({ context, adapter }: JobRun, folder: string, job: Job): Promise<number> {
  const steps = await keptSteps(folder);
  if (steps > 0 && !(await isFile(join(folder, TAKEN)))) {
    const values = {
      folder: join(folder, RESULT),
      steps,
      ...(job.revision === undefined ? {} : { revision: job.revision }),
    };
    await context.engine.call("takeAdapter", { model: context.info.key, adapter, ...values });
    await writeFile(join(folder, TAKEN), "");
  }
  return steps;
}

/** A failure, and what the adapter has of the steps before it. */
async function withWhatIsKept(run: JobRun, folder: string, job: Job, error: unknown): Promise<unknown> {
  if (!(error instanceof GlmError)) return error;
  const steps = await takeBack(run, folder, job).catch(() => 0);
  const kept = steps > 0 ? ` ${run.adapter.name} has the values of step ${steps}, which were kept last.` : "";
  return new GlmError(error.code, `${error.message}${kept}`, { cause: error });
}
