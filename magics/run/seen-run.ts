/** @file What a training run has told so far, for whoever watches it, and its bar: of rows and answers that are prepared, then of steps. */

import type { FitEvent } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { write } from "../live.ts";
import { PATIENCE, ProgressBar } from "../progress.ts";
import { duration, figure } from "../render/text.ts";

export type RunStart = Extract<FitEvent, { type: "start" }>;
export type RunStep = Extract<FitEvent, { type: "step" }>;
export type RunDone = Extract<FitEvent, { type: "done" }>;

/** How a run was judged, as far as that is known. */
export interface Judged {
  /** Steps from one validation to the next; 0 is after each epoch. */
  readonly validateEvery?: number | undefined;
  /** What its score is called. */
  readonly monitor?: string | undefined;
}

export class SeenRun {
  /** Of what comes before the first step. */
  #preparing: ProgressBar | undefined;
  #bar: ProgressBar | undefined;
  #start: RunStart | undefined;
  #first: RunStep | undefined;
  #last: RunStep | undefined;
  #done: RunDone | undefined;
  #validates = false;

  /** What it told when it began, or went on; undefined before that. */
  get start(): RunStart | undefined {
    return this.#start;
  }

  /** Steps that are planned. */
  get steps(): number {
    return this.#start?.steps ?? 0;
  }

  /** The last step that was told. */
  get step(): number {
    return this.#last?.step ?? 0;
  }

  get lastLoss(): number {
    return this.#last?.loss ?? Number.NaN;
  }

  /** Whether there are rows to validate on. */
  get validates(): boolean {
    return this.#validates;
  }

  /** How it ended: told when it ended well. */
  get done(): RunDone {
    if (!this.#done) throw new Error("the training ended without saying so");
    return this.#done;
  }

  /** Takes note of what is told; of rows that are cut, and of answers to rehearse, it tells itself. */
  take(event: FitEvent): void {
    switch (event.type) {
      case "start":
        // Once, before anything is trained.
        if (event.cut && !this.#start) write(`${cutText(event.cut)}\n`, "stderr");
        this.#start = event;
        this.#prepared();
        return;
      case "encode":
        this.#prepare("Rows in tokens", event);
        return;
      case "rehearse":
        this.#prepare("Answers to rehearse", event);
        return;
      case "step":
        this.#first ??= event;
        this.#last = event;
        return;
      case "validation":
        this.#validates = true;
        return;
      case "done":
        this.#done = event;
    }
  }

  /** Shows a step on the bar, which begins with it. */
  show({ step, steps, epoch, loss }: RunStep, title: string): void {
    this.#prepared();
    this.#bar ??= new ProgressBar({ title });
    this.#bar.update({ done: step, total: steps, note: `epoch ${epoch}  loss ${figure(loss)}` });
  }

  /** The bar's last state. */
  finish(state: "done" | "stopped" | "failed"): void {
    this.#preparing?.finish(state);
    this.#bar?.finish(state);
  }

  #prepare(title: string, { done, total }: { readonly done: number; readonly total: number }): void {
    this.#preparing ??= new ProgressBar({ title, delay: PATIENCE });
    this.#preparing.update({ done, total });
  }

  #prepared(): void {
    this.#preparing?.finish();
    this.#preparing = undefined;
  }

  /**
   * What the run came to, in one line.
   * @param judged how it was judged
   */
  summary({ validateEvery = 0, monitor = "loss" }: Judged): string {
    const { steps, seconds, reason, bestEpoch, bestStep, loss, score } = this.done;
    const losses = `loss ${figure(this.#first?.loss ?? Number.NaN)} → ${figure(this.lastLoss)}`;
    const scored = score === undefined ? "" : `, ${monitor} ${figure(score)}`;
    const at = validateEvery > 0 ? `step ${bestStep}` : `epoch ${bestEpoch}`;
    const kept = this.#validates ? `, validation ${figure(loss)}${scored} at ${at}, whose values are kept` : "";
    return `${plural(steps, "step")} in ${duration(seconds)}${reason === "patience" ? ", stopped early" : ""}, ${losses}${kept}.`;
  }
}

/** "3 answers are longer than 512 tokens: ...". */
function cutText({ answers, prompts, tokens, maxLength }: NonNullable<RunStart["cut"]>): string {
  const parts = [
    ...(answers === 0 ? [] : [`${plural(answers, "answer")} without the end`]),
    ...(prompts === 0 ? [] : [`${plural(prompts, "prompt")} without the start`]),
  ].join(" and ");
  return `Rows longer than ${maxLength} tokens are cut: ${parts}, ${plural(tokens, "token")} in all. Give a larger --max-length, or shorten the rows.`;
}
