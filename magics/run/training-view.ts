/** @file A training run as it is watched: one progress bar, a chart of losses and one of ranks where some are given up, and the numbers it came to. */

import type { FitEvent } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { write } from "../live.ts";
import { LossChart } from "../loss-chart.ts";
import { PATIENCE, ProgressBar } from "../progress.ts";
import { RankChart } from "../rank-chart.ts";
import { type Judged, type RunDone, type RunStep, SeenRun } from "./seen-run.ts";

export interface EpochRow {
  readonly epoch: number;
  readonly loss: number;
  readonly validationLoss?: number;
  /** The monitor's, where that is not the loss. */
  readonly score?: number;
}

const SECOND = 1000;

export class TrainingView {
  readonly #name: string;
  readonly #history: EpochRow[] = [];
  readonly #seen = new SeenRun();
  #starting: { readonly bar: ProgressBar; readonly timer: NodeJS.Timeout } | undefined;
  #chart: LossChart | undefined;
  #ranks: RankChart | undefined;
  #taken = 0;

  constructor(name: string) {
    this.#name = name;
  }

  /** The last finished step, and how many were planned. */
  get step(): number {
    return this.#taken;
  }

  /** Whether the run has begun: its rows are read, and what runs it has it. */
  get hasBegun(): boolean {
    return this.#seen.start !== undefined;
  }

  /** So many steps were taken, of which not all were told. */
  reached(taken: number): void {
    this.#taken = Math.max(this.#taken, taken);
  }

  get steps(): number {
    return this.#seen.steps;
  }

  /** A job is started: machines are asked, and load the model, which they do not tell of. */
  startsJob(): void {
    const bar = new ProgressBar({ title: `Starting the job of ${this.#name}`, delay: PATIENCE });
    const timer = setInterval(() => bar.update({ done: 0, total: 0 }), SECOND).unref();
    this.#starting = { bar, timer };
  }

  #started(state: "done" | "stopped" | "failed"): void {
    clearInterval(this.#starting?.timer);
    this.#starting?.bar.finish(state);
    this.#starting = undefined;
  }

  take(event: FitEvent): void {
    this.#seen.take(event);
    switch (event.type) {
      case "start":
        this.#started("done");
        if (event.job !== undefined) write(`The job's folder is ${event.job}.\n`);
        if (event.from !== undefined) this.#goOn(event.from);
        return;
      case "step":
        this.#step(event);
        return;
      case "validation":
        this.#chart?.judged({ epoch: event.epoch, loss: this.#seen.lastLoss, validationLoss: event.loss }, event.best);
        return;
      case "epoch": {
        const { type: _, best, ...row } = event;
        if (this.#history.at(-1)?.epoch === row.epoch) this.#history.pop();
        this.#history.push(row);
        if (!this.#seen.validates) this.#chart?.judged(row, best);
      }
    }
  }

  /** The run is over. */
  done(): void {
    this.#started("done");
    this.#seen.finish("done");
  }

  /** The run was interrupted, or failed. */
  stop(state: "stopped" | "failed"): void {
    this.#started(state);
    this.#seen.finish(state);
  }

  /** The charts' last state, with their static pictures. */
  async picture(): Promise<void> {
    await this.#chart?.done();
    await this.#ranks?.done();
  }

  result(): Omit<RunDone, "type"> & {
    readonly history: readonly EpochRow[];
  } {
    const { type: _, ...done } = this.#seen.done;
    return { ...done, history: this.#history };
  }

  /**
   * What the run came to, in one line.
   * @param judged how it was judged
   */
  summary(judged: Judged): string {
    return this.#seen.summary(judged);
  }

  /** An earlier run goes on, or this one, whose runtime was lost: steps after its checkpoint are taken again. */
  #goOn(from: number): void {
    const lost = this.#taken > 0 ? "Its runtime was lost: " : "";
    const isOver = from >= this.steps;
    write(
      isOver
        ? `The run of ${this.#name} is over: all ${plural(this.steps, "step")} were taken before.\n`
        : `${lost}${this.#name} goes on after step ${from} of ${this.steps}.\n`,
      "stderr",
    );
    this.#taken = from;
    this.#chart?.rewind(from);
    this.#ranks?.rewind(from);
  }

  #step(event: RunStep): void {
    const { step, steps, loss, ranks } = event;
    this.#taken = step;
    this.#seen.show(event, `Training ${this.#name} on ${plural(this.#seen.start?.rows ?? 0, "row")}`);
    this.#chart ??= new LossChart({ title: `${this.#name}: training loss`, steps });
    this.#chart.push({ step, loss });
    if (ranks) this.#ranks ??= new RankChart({ title: `${this.#name}: ranks left`, steps });
    this.#ranks?.push(event);
  }
}
