/** @file `glmlab train --dry-run`: what a run will take, measured in a few steps of an adapter that is then thrown away. */
import { duration } from "../../magics/render/text.ts";
import { configOf } from "../../src/api/methods.ts";
import { trainingPlan } from "../../src/api/training-plan.ts";
import { plural } from "../../src/plural.ts";
import type { Workplace } from "./loading.ts";
import { estimatedSeconds, MEASURED, memoryText, planText } from "./train-estimate.ts";
import { TrainLog } from "./train-log.ts";
import type { Run } from "./train-run.ts";

/** Seconds of a step after which one more is enough. */
const LONG = 60;

export async function dryRun({ model, aside, interrupts, programBytes }: Workplace, run: Run): Promise<number> {
  const { name, rows, settings, method, values } = run;
  const known = values.new === true ? undefined : (await model.adapters()).find((one) => one.name === name);
  const scratch = await aside();
  const adapter = await scratch.createAdapter("dry-run", known?.config ?? configOf(method ?? { method: "lora" }));
  console.log(String(adapter.summary()));
  const plan = await trainingPlan(model, adapter, rows, settings);
  console.log(planText(plan));
  const log = new TrainLog("a few steps, to measure them", 1);
  for await (const event of adapter.fit(rows, settings)) {
    log.take(event);
    const { length } = log.seconds;
    if (length >= MEASURED || (length === MEASURED - 1 && (log.seconds.at(-1) ?? 0) > LONG)) break;
    interrupts.signal.throwIfAborted();
  }
  log.end("done");
  const { seconds, steps, start } = log;
  const epochs = start === undefined ? "" : ` (${plural(start.epochs, "epoch")})`;
  console.log(
    `${plural(steps, "step")}${epochs}, ${duration(estimatedSeconds(seconds, steps))} estimated from ${plural(seconds.length, "step")}`,
  );
  const memory = memoryText(plan, programBytes, values);
  if (memory !== undefined) console.log(memory);
  console.log("Nothing was trained: leave --dry-run out to train.");
  return 0;
}
