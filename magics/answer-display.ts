/** @file The place of an answer in the cell's output; while there is nothing of it yet, how far the model is. */
import { ambient, type MimeBundle } from "../src/ambient.ts";
import type { AnswerProgress } from "../src/index.ts";
import { LiveDisplay } from "./live.ts";
import { PATIENCE } from "./progress.ts";
import { renderProgress } from "./render/progress.ts";

const TITLES: Readonly<Record<AnswerProgress["stage"], string>> = {
  reading: "Reading the question (tokens)",
  answering: "Answering (tokens)",
};

export class AnswerDisplay {
  readonly #display: LiveDisplay = new LiveDisplay({ interval: 100 });
  readonly #start: number = performance.now();
  #timer: NodeJS.Timeout | undefined;
  #progress: AnswerProgress | undefined;
  #answered = false;

  /** Shows a bar when the answer is long in coming. */
  wait(progress: AnswerProgress): void {
    if (this.#answered || !ambient().frontend) return;
    this.#progress = progress;
    if (this.#waited >= PATIENCE) this.#showProgress();
    else this.#timer ??= setTimeout(() => this.#showProgress(), PATIENCE - this.#waited).unref();
  }

  /** Shows the answer so far in the bar's place. */
  show(render: () => MimeBundle): void {
    this.#answered = true;
    clearTimeout(this.#timer);
    this.#display.update(render);
  }

  /** The last state stays: of an answer that never came, how far it was. */
  finish(): void {
    clearTimeout(this.#timer);
    if (!this.#answered && this.#display.shown) this.#showProgress("stopped");
    this.#display.finish();
  }

  get #waited(): number {
    return performance.now() - this.#start;
  }

  #showProgress(state: "running" | "stopped" = "running"): void {
    const { stage, done, total: most } = this.#progress as AnswerProgress;
    // Answers end long before they have to: how much is left of them is not known.
    const total = stage === "reading" ? most : 0;
    this.#display.update(() =>
      renderProgress({ title: TITLES[stage], done, total, seconds: this.#waited / 1000, state }),
    );
  }
}
