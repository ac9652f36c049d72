/** @file Teaching as it is watched: one progress bar, and one chart of loss and recall. */

import type { KnowledgeProgress, ReportData } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { LiveChart } from "../live-chart.ts";
import { PATIENCE, ProgressBar, type ProgressStep } from "../progress.ts";
import type { LossPoint } from "../render/chart.ts";
import { type RecallPoint, renderRecall } from "../render/recall-chart.ts";
import { figure } from "../render/text.ts";

const WHOM = { base: "asking the base", book: "asking what it says now" } as const;

export class KnowledgeView {
  readonly #book: string;
  readonly #action: ReportData["action"];
  readonly #chart: LiveChart = new LiveChart();
  readonly #points: LossPoint[] = [];
  readonly #recall: RecallPoint[] = [];
  #doing = "";
  /** There once something has begun, or takes long to begin. */
  #bar: ProgressBar | undefined;
  #patience: NodeJS.Timeout | undefined;
  #budget: number | undefined;
  #wordings = 0;
  /** The check whose values are kept. */
  #best: RecallPoint | undefined;
  #examining = false;
  #isOver = false;

  constructor(book: string, action: ReportData["action"]) {
    this.#book = book;
    this.#action = action;
  }

  /** @param doing in words: "teaching 青石灯" */
  begin(doing: string): void {
    this.#doing = doing;
    // What was interrupted may come to its beginning later.
    if (this.#isOver) return;
    this.#patience = setTimeout(() => this.#opened(), PATIENCE).unref();
  }

  take(progress: KnowledgeProgress): void {
    if (this.#isOver) return;
    switch (progress.type) {
      case "asking": {
        const { whom, done, total } = progress;
        this.#examining = this.#budget !== undefined;
        this.#show({ title: `${this.#book}: ${WHOM[whom]}`, done, total });
        return;
      }
      case "start":
        this.#budget = progress.budget;
        this.#wordings = progress.wordings;
        this.#teach();
        return;
      case "step":
        this.#points.push({ step: progress.step, loss: progress.loss });
        this.#teach();
        this.#draw();
        return;
      case "check": {
        const { step, recalled, wordings, best } = progress;
        this.#wordings = wordings;
        this.#recall.push({ step, recalled });
        if (best) this.#best = { step, recalled };
        this.#teach();
        this.#draw();
      }
    }
  }

  done(): void {
    if (this.#isOver) return;
    const step = this.#points.at(-1)?.step ?? 0;
    this.#show({ title: `${this.#book}: ${this.#doing}`, done: step, total: step });
    this.stop("done");
  }

  /** Over, interrupted, or failed. What never began shows nothing. */
  stop(state: "done" | "stopped" | "failed"): void {
    this.#isOver = true;
    clearTimeout(this.#patience);
    this.#bar?.finish(state);
  }

  /** What an interruption leaves. */
  interrupted(): string {
    const name = this.#book;
    if (this.#action === "check") return `Interrupted: ${name} is as it was, and was not asked everything.`;
    const done = this.#forgets ? "forgotten" : "known";
    if (!this.#best && this.#budget === 0) {
      return `Interrupted: ${name} has no facts any more and answers as the base; what it says now was not all asked.`;
    }
    if (!this.#best) {
      return `Interrupted: nothing was ${this.#forgets ? "forgotten" : "trained"} yet, ${name} is as it was.`;
    }
    const { step, recalled } = this.#best;
    if (step === 0 && !this.#examining) {
      return `Interrupted: no check found anything new yet, ${name} answers as it did; run the cell again.`;
    }
    const kept = `${name} keeps what was ${done} at step ${step}: ${recalled} of ${plural(this.#wordings, "wording")}`;
    if (!this.#examining) return `Interrupted: ${kept}; run the cell again to go on.`;
    return `Interrupted: ${kept}; what it says now was not all asked: run %knowledge check, or the cell again.`;
  }

  /** The chart's last state, with its static picture. */
  async picture(): Promise<void> {
    this.#budget = undefined;
    await this.#chart.done(this.#points.length > 0 ? this.#rendered() : undefined);
  }

  #teach(): void {
    const step = this.#points.at(-1);
    const total = this.#budget ?? 0;
    this.#show({ title: `${this.#book}: ${this.#doing}`, done: step?.step ?? 0, total });
  }

  #show(step: ProgressStep): void {
    const recalled = this.#recall.at(-1)?.recalled;
    const loss = this.#points.at(-1)?.loss;
    const notes = [
      ...(recalled === undefined ? [] : [`${this.#word} ${recalled} of ${plural(this.#wordings, "wording")}`]),
      ...(loss === undefined ? [] : [`loss ${figure(loss)}`]),
    ];
    this.#opened().update({ ...step, ...(notes.length > 0 ? { note: notes.join("  ") } : {}) });
  }

  #opened(): ProgressBar {
    clearTimeout(this.#patience);
    this.#bar ??= new ProgressBar({ title: `${this.#book}: ${this.#doing}` });
    return this.#bar;
  }

  get #forgets(): boolean {
    return this.#action === "delete";
  }

  /** What is counted: wordings that get the text, or the base's own answer again. */
  get #word(): "recalled" | "forgotten" {
    return this.#forgets ? "forgotten" : "recalled";
  }

  #draw(): void {
    if (this.#points.length > 0) this.#chart.update(() => this.#rendered());
  }

  #rendered() {
    const steps = this.#budget === undefined ? {} : { steps: this.#budget };
    const curves = {
      points: this.#points,
      recall: this.#recall,
      wordings: this.#wordings,
      counts: this.#word,
    };
    return renderRecall({ title: `${this.#book}: ${this.#doing}`, ...curves, ...steps });
  }
}
