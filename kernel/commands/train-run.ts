/** @file A run of `glmlab train`: trained, watched, and its files written, also when it is cut short. */
import { resolve } from "node:path";
import { gauge, gaugeText } from "../../magics/run/gauge.ts";
import { adapterFor } from "../../magics/run/train.ts";
import { ambient, withAmbient } from "../../src/ambient.ts";
import type { MethodChoice } from "../../src/api/methods.ts";
import { divide } from "../../src/api/rows.ts";
import { trainingPlan } from "../../src/api/training-plan.ts";
import type { AdapterHandle, Dataset, FitSettings } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import type { Values } from "./command.ts";
import { InterruptedError } from "./interrupts.ts";
import type { Workplace } from "./loading.ts";
import { memoryText, planText, timeText } from "./train-estimate.ts";
import { TrainLog } from "./train-log.ts";

/** The command's name, for messages. */
export const TRAIN = "glmlab train";

/** What is to be trained, and how. */
export interface Run {
  /** Of the adapter. */
  readonly name: string;
  readonly rows: Dataset;
  readonly settings: FitSettings;
  /** What is given of a method. */
  readonly method: MethodChoice | undefined;
  readonly values: Values;
}

export async function trained({ model, interrupts, programBytes }: Workplace, run: Run): Promise<number> {
  const { name, rows, settings, method, values } = run;
  const [anew, share] = [values.new === true, values.share === true];
  const adapter = await adapterFor(model, name, { method, anew, share, title: `${TRAIN} --adapter ${name}` });
  const plan = trainingPlan(model, adapter, rows, settings);
  console.error(planText(plan));
  const { steps: before } = await adapter.info();
  const log = new TrainLog(name, values["log-every"] as number | undefined);
  const { signal: _, ...around } = ambient();
  const finishing = (): void => {
    console.error("\nInterrupted: the step that runs is finished and kept. Ctrl-C again ends at once.");
  };
  try {
    // Not aborted, but left: what runs is finished then.
    await withAmbient(around, () =>
      interrupts.softly(finishing, async () => {
        for await (const event of adapter.fit(rows, settings)) {
          log.take(event);
          if (interrupts.isInterrupted) break;
        }
      }),
    );
  } catch (error) {
    log.end("failed");
    await withAmbient(around, () => keepWhatIsThere(adapter, before, run)).catch(() => undefined);
    throw error;
  }
  if (interrupts.isInterrupted) {
    log.end("stopped");
    await withAmbient(around, () => keepWhatIsThere(adapter, before, run, log.steps));
    throw new InterruptedError(interrupts.status);
  }
  log.end("done");
  console.log(`${name}: ${log.summary()}`);
  await saved(adapter, values);
  console.error(timeText(log.seconds, log.steps));
  const memory = memoryText(plan, programBytes, values);
  if (memory !== undefined) console.error(memory);
  if (values["no-check"] !== true) {
    const asked = divide(rows, settings.validation, settings.seed ?? 0).train;
    process.stdout.write(gaugeText(await gauge(model, adapter, asked, settings.seed ?? 0)));
  }
  return 0;
}

/** Says what there is of an adapter whose training was cut short, and writes its files. */
async function keepWhatIsThere(
  adapter: AdapterHandle,
  before: number,
  { values }: Run,
  planned?: number,
): Promise<void> {
  const steps = (await adapter.info()).steps - before;
  if (steps === 0) {
    console.error(`${adapter.name}: nothing was trained yet.`);
    return;
  }
  const of = planned === undefined ? "" : ` of ${planned}`;
  console.error(
    `${adapter.name} keeps the values of ${plural(steps, "step")}${of}. The same command without --new trains on.`,
  );
  await saved(adapter, values);
}

async function saved(adapter: AdapterHandle, { save }: Values): Promise<void> {
  if (typeof save !== "string") return;
  await adapter.save(save);
  console.log(`${adapter.name} saved to ${resolve(save)}`);
}
