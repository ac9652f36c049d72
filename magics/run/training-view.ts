/** @file A training run as it is watched: one progress bar, a chart of losses and one of ranks where some are given up, and the numbers it came to. */

import type { FitEvent, FitSettings } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { write } from "../live.ts";
import { LossChart } from "../loss-chart.ts";
import { PATIENCE, ProgressBar } from "../progress.ts";
import { RankChart } from "../rank-chart.ts";
import { duration, figure } from "../render/text.ts";

export interface EpochRow {
  readonly epoch: number;
  readonly loss: number;
  readonly validationLoss?: number;
  /** The monitor's, where that is not the loss. */
  readonly score?: number;
}

type Start = Extract<FitEvent, { type: "start" }>;
type Done = Extract<FitEvent, { type: "done" }>;

export class TrainingView {
  readonly #name: string;
  readonly #history: EpochRow[] = [];
  #encoding: ProgressBar | undefined;
  #rehearsal: ProgressBar | undefined;
  #bar: ProgressBar | undefined;
  #chart: LossChart | undefined;
  #ranks: RankChart | undefined;
  #done: Done | undefined;
  #rows = 0;
  #last: Extract<FitEvent, { type: "step" }> | undefined;
  #taken = 0;
  #validated = false;
  #firstLoss: number = Number.NaN;
  #steps = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** The last finished step, and how many were planned. */
  get step(): number {
    return this.#taken;
  }

  /** So many steps were taken, of which not all were told. */
  reached(taken: number): void {
    this.#taken = Math.max(this.#taken, taken);
  }

  get steps(): number {
    return this.#steps;
  }

  get firstLoss(): number {
    return this.#firstLoss;
  }

  get lastLoss(): number {
    return this.#last?.loss ?? Number.NaN;
  }

  get validates(): boolean {
    return this.#validated;
  }

  take(event: FitEvent): void {
    switch (event.type) {
      case "start":
        this.#encoding?.finish();
        this.#encoding = undefined;
        this.#steps = event.steps;
        this.#rows = event.rows;
        if (event.cut && this.#taken === 0) write(`${cutText(event.cut)}\n`, "stderr");
        if (event.from !== undefined) this.#goOn(event.from);
        return;
      case "encode":
        this.#encoding ??= new ProgressBar({ title: "Rows in tokens", delay: PATIENCE });
        this.#encoding.update({ done: event.done, total: event.total });
        return;
      case "rehearse":
        this.#rehearsal ??= new ProgressBar({ title: "Answers to rehearse", delay: PATIENCE });
        this.#rehearsal.update({ done: event.done, total: event.total });
        return;
      case "step":
        this.#step(event);
        return;
      case "validation":
        this.#validated = true;
        this.#chart?.judged({ epoch: event.epoch, loss: this.lastLoss, validationLoss: event.loss }, event.best);
        return;
      case "epoch": {
        const { type: _, best, ...row } = event;
        if (this.#history.at(-1)?.epoch === row.epoch) this.#history.pop();
        this.#history.push(row);
        if (!this.#validated) this.#chart?.judged(row, best);
        return;
      }
      case "done":
        this.#done = event;
    }
  }

  /** The run is over. */
  done(): void {
    this.#finish("done");
  }

  /** The run was interrupted, or failed. */
  stop(state: "stopped" | "failed"): void {
    this.#finish(state);
  }

  /** The charts' last state, with their static pictures. */
  async picture(): Promise<void> {
    await this.#chart?.done();
    await this.#ranks?.done();
  }

  result(): Omit<Done, "type"> & {
    readonly history: readonly EpochRow[];
  } {
    if (!this.#done) throw new Error("the training ended without saying so");
    const { type: _, ...done } = this.#done;
    return { ...done, history: this.#history };
  }

  /** An earlier run goes on, or this one, whose runtime was lost: steps after its checkpoint are taken again. */
  #goOn(from: number): void {
    const lost = this.#taken > 0 ? "Its runtime was lost: " : "";
    const isOver = from >= this.#steps;
    write(
      isOver
        ? `The run of ${this.#name} is over: all ${plural(this.#steps, "step")} were taken before.\n`
        : `${lost}${this.#name} goes on after step ${from} of ${this.#steps}.\n`,
      "stderr",
    );
    this.#taken = from;
    this.#chart?.rewind(from);
    this.#ranks?.rewind(from);
  }

  #step(event: Extract<FitEvent, { type: "step" }>): void {
    if (!this.#bar) {
      this.#rehearsal?.finish();
      this.#firstLoss = event.loss;
      this.#bar = new ProgressBar({ title: `Training ${this.#name} on ${plural(this.#rows, "row")}` });
      this.#chart = new LossChart({ title: `${this.#name}: training loss`, steps: event.steps });
    }
    this.#last = event;
    this.#taken = event.step;
    const note = `epoch ${event.epoch}  loss ${figure(event.loss)}`;
    this.#bar.update({ done: event.step, total: event.steps, note });
    this.#chart?.push({ step: event.step, loss: event.loss });
    if (event.ranks) this.#ranks ??= new RankChart({ title: `${this.#name}: ranks left`, steps: event.steps });
    this.#ranks?.push(event);
  }

  #finish(state: "done" | "stopped" | "failed"): void {
    if (!this.#bar) for (const bar of [this.#encoding, this.#rehearsal]) bar?.finish(state);
    this.#bar?.finish(state);
  }
}

/** What was seen of a run besides its end. */
export interface SeenOfRun {
  readonly firstLoss: number;
  readonly lastLoss: number;
  /** Whether there are rows to validate on. */
  readonly validates: boolean;
}

/**
 * What a run came to, in one line.
 * @param settings how it was judged
 */
export function runSummary(
  { steps, seconds, reason, bestEpoch, bestStep, loss, score }: Omit<Done, "type">,
  { validateEvery = 0, monitor = "loss" }: Pick<FitSettings, "validateEvery" | "monitor">,
  { firstLoss, lastLoss, validates }: SeenOfRun,
): string {
  const losses = `loss ${figure(firstLoss)} → ${figure(lastLoss)}`;
  const scored = score === undefined ? "" : `, ${monitor} ${figure(score)}`;
  const at = validateEvery > 0 ? `step ${bestStep}` : `epoch ${bestEpoch}`;
  const kept = validates ? `, validation ${figure(loss)}${scored} at ${at}, whose values are kept` : "";
  return `${plural(steps, "step")} in ${duration(seconds)}${reason === "patience" ? ", stopped early" : ""}, ${losses}${kept}.`;
}

/** "3 answers are longer than 512 tokens: ...", before anything is trained. */
export function cutText({ answers, prompts, tokens, maxLength }: NonNullable<Start["cut"]>): string {
  const parts = [
    ...(answers === 0 ? [] : [`${plural(answers, "answer")} without the end`]),
    ...(prompts === 0 ? [] : [`${plural(prompts, "prompt")} without the start`]),
  ].join(" and ");
  return `Rows longer than ${maxLength} tokens are cut: ${parts}, ${plural(tokens, "token")} in all. Give a larger --max-length, or shorten the rows.`;
}
