/** @file A run of `glmlab train`: trained, watched, and its files written, also when it is cut short. */
import { join, resolve } from "node:path";
import type { OptionTable } from "../../magics/option.ts";
import { gauge, gaugeText } from "../../magics/run/gauge.ts";
import { adapterFor, takenBack } from "../../magics/run/train.ts";
import { mustBeOwnPlace } from "../../src/adapters/save-room.ts";
import { ambient, withAmbient } from "../../src/ambient.ts";
import { mustBeWritable } from "../../src/api/evaluate.ts";
import type { MethodChoice } from "../../src/api/methods.ts";
import { type TrainingPlan, trainingPlan } from "../../src/api/training-plan.ts";
import type { AdapterHandle, ChatGLM, Dataset, FitSettings } from "../../src/index.ts";
import { whole } from "../../src/options.ts";
import { plural } from "../../src/plural.ts";
import { shellWord } from "../../src/torchrun/command.ts";
import type { Values } from "./command.ts";
import { InterruptedError } from "./interrupts.ts";
import { modelWords, namedAnywhere, type Workplace } from "./loading.ts";
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

/** How often a run says how it stands. */
export const LOG_EVERY: OptionTable = {
  "log-every": {
    kind: "number",
    rule: { ...whole(1, { min: 1 }), default: undefined as never },
    default: "some twenty lines in a log, none beside a terminal's bar",
    help: "Steps from one line to the next.",
  },
};

/** The adapter that is to be trained, made where there is none, and what that will take, which is said. */
export async function begun(
  model: ChatGLM,
  { name, rows, settings, method, values }: Run,
): Promise<{ readonly adapter: AdapterHandle; readonly isMade: boolean; readonly plan: TrainingPlan }> {
  const [anew, share] = [values.new === true, values.share === true];
  const { adapter, isMade } = await adapterFor(model, name, {
    ...{ method, anew, share, rows, settings },
    title: `${TRAIN} --adapter ${name}`,
  });
  const plan = await trainingPlan(model, adapter, rows, settings).catch(async (error: unknown) => {
    if (isMade) await takenBack(adapter);
    throw error;
  });
  console.error(planText(plan));
  return { adapter, isMade, plan };
}

export async function trained({ model, interrupts, programBytes }: Workplace, run: Run): Promise<number> {
  const { name, rows, settings, values } = run;
  const { adapter, isMade, plan } = await begun(model, run);
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
    // Before the first event, nothing of it had begun.
    if (isMade && !log.start) await takenBack(adapter);
    if (log.start) await withAmbient(around, () => keepWhatIsThere(adapter, run)).catch(() => undefined);
    throw error;
  }
  if (interrupts.isInterrupted) {
    log.end("stopped");
    await withAmbient(around, () => keepWhatIsThere(adapter, run));
    throw new InterruptedError(interrupts.status);
  }
  log.end("done");
  console.log(`${name}: ${log.summary(settings)}`);
  await saved(adapter, values);
  if (log.seconds.length > 0) console.error(timeText(log.seconds));
  const memory = memoryText(plan, programBytes, values);
  if (memory !== undefined) console.error(memory);
  if (values["no-check"] !== true) {
    process.stdout.write(gaugeText(await gauge(model, adapter, rows, settings), ""));
  }
  return 0;
}

/** Says what there is of an adapter whose training was cut short, and writes its files. */
export async function keepWhatIsThere(adapter: AdapterHandle, { values, settings }: Run): Promise<void> {
  if (settings.engine === "torchrun") {
    // A job is no run of the engine that holds the adapter: its steps are counted when they come back.
    const { steps } = await adapter.info();
    console.error(
      `${adapter.name} has taken ${plural(steps, "step")}, which are kept. The same command trains on from there.`,
    );
    if (steps > 0) await saved(adapter, values);
    return;
  }
  const run = await adapter.run();
  if (!run || run.step === 0) {
    console.error(`${adapter.name}: nothing was trained yet.`);
    return;
  }
  const again = values.new === true ? "with --resume in place of --new" : "with --resume";
  console.error(
    `${adapter.name} keeps the values of step ${run.step} of ${run.steps}. The same command ${again} goes on.`,
  );
  await saved(adapter, values);
}

/** Where an adapter's files are written, if anywhere. */
export const SAVE_OPTIONS: OptionTable = {
  save: {
    kind: "text",
    value: "FOLDER",
    help: "Write the adapter's files there when the run is over, and when it is interrupted.",
  },
  replace: {
    kind: "flag",
    help: "With --save: take the place of another adapter's files, or lie among a model's, which is refused else.",
  },
};

/** @throws GlmError "option-invalid" before anything is trained, where the files could not be written in the end */
export async function mustBeSavable(subject: string, name: string, { save, replace }: Values): Promise<void> {
  if (typeof save !== "string") return;
  await mustBeWritable(subject, join(save, "adapter_config.json"));
  if (replace !== true) await mustBeOwnPlace(resolve(save), { name });
}

/** Writes an adapter's files to a folder, if one is given. */
export async function saved(adapter: AdapterHandle, { save, replace }: Values): Promise<void> {
  if (typeof save !== "string") return;
  await adapter.save(save, { replace: replace === true });
  console.log(`${adapter.name} saved to ${resolve(save)}`);
}

/** What shows an adapter's run and what ends it, to be typed. */
export interface RunCommandLines {
  readonly attach: string;
  readonly stop: string;
}

/** In whatever folder, with the options that name the model. */
export async function runCommandLines(model: string, name: string, values: Values): Promise<RunCommandLines> {
  const { save, replace } = values;
  const over = replace === true ? ["--replace"] : [];
  const files = typeof save === "string" ? ["--save", resolve(save), ...over] : [];
  const named = [await namedAnywhere(model, values), name];
  const line = (action: string, more: readonly string[]): string =>
    `${TRAIN} ${action} ${[...named, ...more, ...modelWords(values)].map(shellWord).join(" ")}`;
  return { attach: line("attach", files), stop: line("stop", []) };
}
