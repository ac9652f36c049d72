/** @file A progress bar in the running cell, shown once something has taken long enough to wonder. */
import { LiveDisplay } from "./live.ts";
import { type Progress, renderProgress } from "./render/progress.ts";

/** Waiting that takes longer than this wants a progress bar, in milliseconds. */
export const PATIENCE = 700;

export interface ProgressOptions {
  readonly title: string;
  /** Milliseconds before it appears; what is done by then shows nothing. 0 by default. */
  readonly delay?: number;
}

/** What changes as things go on. */
export interface ProgressStep {
  readonly done: number;
  readonly total: number;
  readonly note?: string;
  /** What is counted, when it is no number of steps. */
  readonly unit?: "bytes";
  /** Replaces the title. */
  readonly title?: string;
}

export class ProgressBar {
  readonly #display: LiveDisplay;
  readonly #start: number = performance.now();
  #title: string;
  #last: ProgressStep = { done: 0, total: 0 };
  /** When the work that goes on began, and what of it was done already: a download that is taken up, another stage. */
  #stage: { readonly at: number; readonly done: number } = { at: performance.now(), done: 0 };

  constructor({ title, delay = 0 }: ProgressOptions) {
    this.#title = title;
    this.#display = new LiveDisplay(delay > 0 ? { delay } : {});
    this.#display.update(() => renderProgress(this.#state("running")));
  }

  update(step: ProgressStep): void {
    const title = step.title ?? this.#title;
    if (title !== this.#title) this.#stage = { at: performance.now(), done: step.done };
    this.#last = step;
    this.#title = title;
    this.#display.update(() => renderProgress(this.#state("running")));
  }

  /** The last state; a bar that never appeared stays away. */
  finish(state: Exclude<Progress["state"], "running"> = "done"): void {
    this.#display.finish(this.#display.shown ? renderProgress(this.#state(state)) : undefined);
  }

  #state(state: Progress["state"]): Progress {
    const { title: _, ...last } = this.#last;
    const now = performance.now();
    const perSecond = (1000 * (last.done - this.#stage.done)) / (now - this.#stage.at);
    const left = perSecond > 0 ? { left: (last.total - last.done) / perSecond } : {};
    return { ...last, ...left, title: this.#title, seconds: (now - this.#start) / 1000, state };
  }
}
