/** @file `glmlab train --detach`: a run that is begun in the runtime, and goes on when the command has returned. */
import { resolve } from "node:path";
import { takenBack } from "../../magics/run/train.ts";
import { ambient, withAmbient } from "../../src/ambient.ts";
import type { RunInfo } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import type { Values } from "./command.ts";
import { InterruptedError } from "./interrupts.ts";
import { inRuntime, type Workplace } from "./loading.ts";
import { begun, keepWhatIsThere, type Run, runCommandLines, TRAIN } from "./train-run.ts";

/**
 * The options, of which the runtime is the user's where none is named.
 * @throws UsageError where a run would end with the command; a job of other processes does not
 */
export const detachedValues = (values: Values): Values =>
  values.engine === "torchrun" ? { runtime: "auto", ...values } : inRuntime(`${TRAIN} --detach`, values);

/** @param model as it was named */
export async function trainedDetached({ model, interrupts }: Workplace, run: Run, named: string): Promise<number> {
  const { name, rows, settings, values } = run;
  const { adapter, isMade } = await begun(model, run);
  const { signal: _, ...around } = ambient();
  const ending = (): void => console.error("\nInterrupted: the run is ended as soon as it has begun.");
  // Not aborted: nobody would know whether it has begun.
  const start = (): Promise<RunInfo> => interrupts.softly(ending, () => adapter.startFit(rows, settings));
  const state = await withAmbient(around, start).catch(async (error: unknown) => {
    if (isMade) await takenBack(adapter);
    throw error;
  });
  if (interrupts.isInterrupted) {
    // It may be over by now.
    await withAmbient(around, () => adapter.stopFit()).catch(() => undefined);
    await withAmbient(around, () => keepWhatIsThere(adapter, run));
    throw new InterruptedError(interrupts.status);
  }
  console.log(await detachedText(name, state, named, values));
  return 0;
}

async function detachedText(name: string, run: RunInfo, model: string, values: Values): Promise<string> {
  const { save } = values;
  const { attach, stop } = await runCommandLines(model, name, values);
  const files = typeof save === "string" ? `, and in the end writes the adapter's files to ${resolve(save)}` : "";
  const where = run.engine === "torchrun" ? "as a job" : "in the runtime";
  return [
    `${name} trains ${where}, ${plural(run.steps, "step")}, and goes on when this terminal is closed.`,
    `Metrics and checkpoints: ${run.folder}`,
    `${attach}\n    shows it from its start${files}`,
    `${stop}\n    ends it after its step, which is kept`,
  ].join("\n");
}
