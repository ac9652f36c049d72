/** @file What %%train does. */
import { mustLastFor } from "../../src/adapters/methods.ts";
import { fitRequest } from "../../src/api/fit-request.ts";
import { configOf, type GivenMethod, namedMethod } from "../../src/api/methods.ts";
import { GlmError } from "../../src/errors.ts";
import type { AdapterHandle, ChatGLM, FitSettings, Rows, RunInfo } from "../../src/index.ts";
import { matrixModulesOf } from "../../src/models/architectures.ts";
import { plural } from "../../src/plural.ts";
import { completeJob, withoutJob } from "../../src/torchrun/options.ts";
import { lengthOf } from "../../src/train/fitting.ts";
import { isInterrupt } from "../interrupt.ts";
import { write } from "../live.ts";
import { currentModel } from "../session.ts";
import { asWord } from "../words.ts";
import { adapterNew, mustBeShared, refreshAdapters } from "./adapter.ts";
import { keepsFacts } from "./books.ts";
import { gauge, gaugeText, type TrainCheck } from "./gauge.ts";
import { GRACE, interruptible } from "./interruptible.ts";
import { mustMatch } from "./method.ts";
import { stepsTaken } from "./steps-taken.ts";
import { type EpochRow, TrainingView } from "./training-view.ts";

export interface TrainOptions extends Omit<FitSettings, "signal"> {
  /** How it is fine-tuned: LoRA by default. Of an adapter that exists, it must be how it was made. */
  readonly method?: GivenMethod;
  /** Starts again with a new adapter where one of this name exists. */
  readonly new?: boolean;
  /** Makes a new adapter visible to every notebook. */
  readonly share?: boolean;
  /** Whether it is asked what it was taught in the end: it is, unless this is false. */
  readonly check?: boolean;
  readonly model?: ChatGLM;
}

/** What a training run came to. */
export interface TrainResult {
  readonly adapter: AdapterHandle;
  readonly steps: number;
  /** The epoch and the step that were the best. Where there are validation rows, the adapter has its values. */
  readonly bestEpoch: number;
  readonly bestStep: number;
  /** The loss after it: on the validation rows, where there are any. */
  readonly loss: number;
  /** The monitor's score, where that is not the loss. */
  readonly score?: number;
  readonly seconds: number;
  /** Why it ended: all epochs or steps, or nothing better for long enough. */
  readonly reason: "epochs" | "steps" | "patience";
  readonly history: readonly EpochRow[];
  /** What it answers now; left out where it was not asked. */
  readonly check?: TrainCheck;
}

/**
 * Trains an adapter, which is made where there is none, with a progress bar and a live loss chart. Interrupting keeps
 * the values of the last finished step.
 */
export async function train(name: string, rows: Rows, options: TrainOptions = {}): Promise<TrainResult> {
  const { method, new: anew = false, share = false, check = true, model: given, ...settings } = options;
  const model = currentModel(given);
  const view = new TrainingView(name);
  const isJob = settings.engine === "torchrun";
  const interrupted = (): void => {
    view.stop("stopped");
    const { step, steps } = view;
    const untrained = isRenewed
      ? `nothing was trained yet, ${name} is a new adapter without effect`
      : "nothing was trained yet";
    const again = isJob ? "" : " The same cell with --resume goes on.";
    const kept = step > 0 ? `${name} keeps the values of step ${step} of ${steps}.${again}` : `${untrained}.`;
    write(`Interrupted: ${kept}\n`, "stderr");
  };
  let adapter: AdapterHandle;
  let isRenewed = false;
  try {
    adapter = await interruptible(
      async () => {
        const { adapter: found, isMade } = await adapterFor(model, name, {
          ...{ method, anew, share, rows, settings },
          title: `%%train ${name}`,
        });
        isRenewed = anew;
        const { steps: before } = await found.info();
        if (isJob) view.startsJob();
        try {
          for await (const event of found.fit(rows, settings)) view.take(event);
        } catch (error) {
          // The last step may have been taken just now, and not been told any more.
          if (isInterrupt(error)) view.reached(((await stepsTaken(found, GRACE)) ?? before) - before);
          if (isInterrupt(error) && error instanceof GlmError) write(`${error.message}\n`, "stderr");
          if (isMade && !isInterrupt(error) && !view.hasBegun) await takenBack(found);
          throw error;
        }
        return found;
      },
      interrupted,
      isJob ? () => write(jobEnds(name), "stderr") : undefined,
    );
  } catch (error) {
    view.stop("failed");
    await view.picture();
    throw error;
  }
  view.done();
  await view.picture();
  const result = { adapter, ...view.result() };
  write(`${name}: ${view.summary(settings)} Ask it: %%chatglm --adapter ${name}\n`);
  return check ? { ...result, ...(await checked(model, adapter, rows, settings)) } : result;
}

/**
 * Begins to train an adapter in the runtime, or as a job, which goes on when the notebook is closed; `trainAttach` shows it, from its start.
 * @returns how it stands when it has begun
 */
export async function trainDetached(
  name: string,
  rows: Rows,
  options: Omit<TrainOptions, "check"> = {},
): Promise<RunInfo> {
  const { method, new: anew = false, share = false, model: given, ...settings } = options;
  const model = currentModel(given);
  const { adapter, isMade } = await adapterFor(model, name, {
    ...{ method, anew, share, rows, settings },
    title: `%%train ${name}`,
  });
  const run = await adapter.startFit(rows, settings).catch(async (error: unknown) => {
    if (isMade && !isInterrupt(error)) await takenBack(adapter);
    throw error;
  });
  const word = asWord(name);
  const where = run.engine === "torchrun" ? `as a job, in ${run.folder}` : "in the runtime";
  write(
    `${name} trains ${where}, ${plural(run.steps, "step")}, and goes on when this notebook is closed. ` +
      `%train attach ${word} shows it, %train stop ${word} ends it.\n`,
  );
  return run;
}

/** What is said at once where a job is interrupted: its step may take long. */
const jobEnds = (name: string): string =>
  `Interrupted: the job ends after its step, and ${name} gets what it has. To interrupt again leaves it to that: %train attach ${asWord(name)} ` +
  "brings it back then.\n";

/**
 * Asks what came of it. That it could not be asked is no reason to lose what it came to; an interrupt ends the cell, though,
 * and the lines below it.
 */
async function checked(
  model: ChatGLM,
  adapter: AdapterHandle,
  rows: Rows,
  settings: FitSettings,
): Promise<{ readonly check?: TrainCheck }> {
  const unasked = (why: string): void =>
    write(`${why}: ${adapter.name} is trained and kept; only what it answers now was not all asked.\n`, "stderr");
  try {
    const check = await interruptible(
      () => gauge(model, adapter, rows, settings),
      () => unasked("Interrupted"),
    );
    write(gaugeText(check));
    return { check };
  } catch (error) {
    if (isInterrupt(error)) throw error;
    unasked(error instanceof Error ? error.message : String(error));
    return {};
  }
}

/** Other rows would push out its facts, and it would go on listing them. */
const bookIsTaught = (title: string, name: string): GlmError =>
  new GlmError(
    "option-invalid",
    `${title}: expected an adapter without facts, got a knowledge book, whose facts would be lost. ` +
      `Teach it with %%knowledge add --book ${asWord(name)}, or choose another name.`,
  );

/** What an adapter that is to be trained shall be. */
export interface WantedAdapter {
  readonly method: GivenMethod | undefined;
  readonly anew: boolean;
  readonly share: boolean;
  /** Who wants it, for messages. */
  readonly title: string;
  /** What it is to be trained on, and how. */
  readonly rows: Rows;
  readonly settings: FitSettings;
}

/** An adapter that was made for a run which never began: the next try makes it again, perhaps otherwise. */
export async function takenBack(adapter: AdapterHandle): Promise<void> {
  await adapter.dispose().catch(() => undefined);
}

/**
 * The adapter of this name, made where there is none.
 * @throws GlmError for what cannot be trained so: before an adapter is made, or makes room for a new one
 */
export async function adapterFor(
  model: ChatGLM,
  name: string,
  { method, anew, share, title, rows, settings }: WantedAdapter,
): Promise<{ readonly adapter: AdapterHandle; readonly isMade: boolean }> {
  completeJob(settings);
  const { options, divided, resume = false } = fitRequest("fit", model, rows, withoutJob(settings));
  // One's own comes before a shared one of its name.
  const found = (await refreshAdapters(model)).find((one) => one.name === name);
  if (found && !anew) {
    const adapter = await model.adapter(name);
    if (method) mustMatch(title, name, method, adapter.config, matrixModulesOf(model.info.config));
    if (share) mustBeShared(title, adapter);
    if (keepsFacts(found)) throw bookIsTaught(title, name);
    const run = await broughtBack(adapter);
    if (resume && !run)
      write(`No run of ${name} is kept to go on with: this is a new one, from what ${name} is now.\n`);
    // One that runs is refused, or gone on with, by whoever trains it.
    if (!resume && run?.state !== "running")
      write(`${name} exists and trains on. With --new it starts again.\n${unfinishedNote(run)}`);
    return { adapter, isMade: false };
  }
  // What it is set aside as is all that was trained under its name.
  if (found) await broughtBack(await model.adapter(name));
  if (resume) write(`There is no adapter ${name} whose run could go on: it is made, and its run begins.\n`);
  const config = configOf(namedMethod(method ?? {}));
  mustLastFor(config, lengthOf(divided.train.length, options).steps);
  return { adapter: await adapterNew(name, config, { model, share }), isMade: true };
}

/** The adapter's run; of a job that ended when nobody watched, what it trained is in the adapter then. */
async function broughtBack(adapter: AdapterHandle): Promise<RunInfo | undefined> {
  const run = await adapter.run();
  if (run?.taken !== false || run.state === "running") return run;
  try {
    const now = await adapter.stopFit();
    write(`A job has trained ${adapter.name} meanwhile: its values of step ${run.step} are brought back.\n`);
    return now;
  } catch (error) {
    if (!(error instanceof GlmError)) throw error;
    // Whoever trains on from what there is must know, and need not be kept from it.
    write(`${error.message}\n`, "stderr");
    return run;
  }
}

/** A run that could go on, and does not: its place would be lost without a word. */
function unfinishedNote(run: RunInfo | undefined): string {
  if (!run || run.engine === "torchrun" || run.state === "done" || run.step === 0) return "";
  return `Its last run stopped after step ${run.step} of ${run.steps}: with --resume that goes on; this is a new one.\n`;
}
