/** @file What %%train does. */
import * as defaults from "../../src/api/defaults.ts";
import { configOf, type MethodChoice } from "../../src/api/methods.ts";
import { divide } from "../../src/api/rows.ts";
import { GlmError } from "../../src/errors.ts";
import type { AdapterHandle, ChatGLM, FitSettings, Rows } from "../../src/index.ts";
import { matrixModulesOf } from "../../src/models/architectures.ts";
import { plural } from "../../src/plural.ts";
import { isInterrupt } from "../interrupt.ts";
import { write } from "../live.ts";
import { duration, figure } from "../render/text.ts";
import { currentModel } from "../session.ts";
import { asWord } from "../words.ts";
import { adapterNew, mustBeShared, refreshAdapters } from "./adapter.ts";
import { keepsFacts } from "./books.ts";
import { gauge, gaugeText, type TrainCheck } from "./gauge.ts";
import { GRACE, interruptible } from "./interruptible.ts";
import { mustMatch } from "./method.ts";
import { stepsTaken } from "./steps-taken.ts";
import { type EpochRow, TrainingView } from "./training-view.ts";

/** Milliseconds that another runtime may take to load the model again, to say what is kept of an adapter. */
const RECOVERY = 30_000;

export interface TrainOptions extends Omit<FitSettings, "signal"> {
  /** How it is fine-tuned: LoRA by default. Of an adapter that exists, it must be how it was made. */
  readonly method?: MethodChoice;
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
  /** The epoch of the best loss. Where there are validation rows, the adapter has its values. */
  readonly bestEpoch: number;
  /** Its loss: on the validation rows, where there are any. */
  readonly loss: number;
  readonly seconds: number;
  /** Why it ended: all epochs, or no better loss for long enough. */
  readonly reason: "epochs" | "patience";
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
  const interrupted = (): void => {
    view.stop("stopped");
    const { step, steps } = view;
    const untrained = isRenewed
      ? `nothing was trained yet, ${name} is a new adapter without effect`
      : "nothing was trained yet";
    const kept = step > 0 ? `${name} keeps the values of step ${step} of ${steps}` : untrained;
    write(`Interrupted: ${kept}.\n`, "stderr");
  };
  let adapter: AdapterHandle;
  let isRenewed = false;
  /** What trains, and the steps that it had taken before. */
  let trained: { readonly found: AdapterHandle; readonly before: number } | undefined;
  try {
    adapter = await interruptible(async () => {
      const found = await adapterFor(model, name, { method, anew, share, title: `%%train ${name}` });
      isRenewed = anew;
      const { steps: before } = await found.info();
      trained = { found, before };
      try {
        for await (const event of found.fit(rows, settings)) view.take(event);
      } catch (error) {
        // The last step may have been taken just now, and not been told any more.
        if (isInterrupt(error)) view.reached(((await stepsTaken(found, GRACE)) ?? before) - before);
        throw error;
      }
      return found;
    }, interrupted);
  } catch (error) {
    view.stop("failed");
    await view.picture();
    const isLost = error instanceof GlmError && error.code === "runtime-lost";
    if (isLost && trained) await sayWhatIsKept(trained.found, trained.before + view.step);
    throw error;
  }
  view.done();
  await view.picture();
  const result = { adapter, ...view.result() };
  write(`${name}: ${summaryOf(result, view)} Ask it: %%chatglm --adapter ${name}\n`);
  return check ? { ...result, ...(await checked(model, adapter, rows, settings)) } : result;
}

/** What there is of an adapter whose runtime has ended under it. It is looked up, which starts another runtime. */
async function sayWhatIsKept(adapter: AdapterHandle, told: number): Promise<void> {
  const kept = await stepsTaken(adapter, RECOVERY);
  // The error says what is known in any case.
  if (kept === undefined) return;
  const { name } = adapter;
  const lost =
    kept < told ? `${plural(told - kept, "step")} after it ${told - kept === 1 ? "is" : "are"} lost` : "none is lost";
  write(
    `${name} had taken ${plural(told, "step")}. It is kept as it was after step ${kept}, when it was last written; ${lost}. ` +
      "Run the cell again, without --new, and it trains on from there.\n",
    "stderr",
  );
}

/**
 * Asks what came of it. That it could not be asked is no reason to lose what it came to; an interrupt ends the cell, though,
 * and the lines below it.
 */
async function checked(
  model: ChatGLM,
  adapter: AdapterHandle,
  rows: Rows,
  { validation, seed = defaults.fit.seed.default }: FitSettings,
): Promise<{ readonly check?: TrainCheck }> {
  const unasked = (why: string): void =>
    write(`${why}: ${adapter.name} is trained and kept; only what it answers now was not all asked.\n`, "stderr");
  try {
    const train = divide(rows, validation, seed).train;
    const check = await interruptible(
      () => gauge(model, adapter, train, seed),
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
  readonly method: MethodChoice | undefined;
  readonly anew: boolean;
  readonly share: boolean;
  /** Who wants it, for messages. */
  readonly title: string;
}

/** The adapter of this name, made where there is none. */
export async function adapterFor(
  model: ChatGLM,
  name: string,
  { method, anew, share, title }: WantedAdapter,
): Promise<AdapterHandle> {
  // One's own comes before a shared one of its name.
  const found = (await refreshAdapters(model)).find((one) => one.name === name);
  if (found && !anew) {
    const adapter = await model.adapter(name);
    if (method) mustMatch(title, name, method, adapter.config, matrixModulesOf(model.info.config));
    if (share) mustBeShared(title, adapter);
    if (keepsFacts(found)) throw bookIsTaught(title, name);
    write(`${name} exists and trains on. With --new it starts again.\n`);
    return adapter;
  }
  return adapterNew(name, configOf(method ?? { method: "lora" }), { model, share });
}

function summaryOf({ steps, seconds, reason, bestEpoch, loss }: TrainResult, view: TrainingView): string {
  const losses = `loss ${figure(view.firstLoss)} → ${figure(view.lastLoss)}`;
  const kept = view.validates ? `, validation ${figure(loss)} at epoch ${bestEpoch}, whose values are kept` : "";
  return `${plural(steps, "step")} in ${duration(seconds)}${reason === "patience" ? ", stopped early" : ""}, ${losses}${kept}.`;
}
