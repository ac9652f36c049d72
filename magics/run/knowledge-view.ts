/** @file Teaching as it is watched: one progress bar, and one chart of loss and recall. */
import { counted } from "../../src/counted.ts";
import type { KnowledgeProgress } from "../../src/index.ts";
import { LiveChart } from "../live-chart.ts";
import { ProgressBar, type ProgressStep } from "../progress.ts";
import type { LossPoint } from "../render/chart.ts";
import { type RecallPoint, renderRecall } from "../render/recall-chart.ts";
import { figure } from "../render/text.ts";

const WHOM = { base: "asking the base", book: "asking what it says now" } as const;

export class KnowledgeView {
  readonly #book: string;
  readonly #doing: string;
  readonly #bar: ProgressBar;
  readonly #chart: LiveChart = new LiveChart();
  readonly #points: LossPoint[] = [];
  readonly #recall: RecallPoint[] = [];
  #budget: number | undefined;
  #wordings = 0;
  /** The check whose values are kept. */
  #best: RecallPoint | undefined;
  #examining = false;

  /** @param doing in words: "teaching 青石灯" */
  constructor(book: string, doing: string) {
    this.#book = book;
    this.#doing = doing;
    this.#bar = new ProgressBar({ title: `${book}: ${doing}` });
  }

  take(progress: KnowledgeProgress): void {
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
    const step = this.#points.at(-1)?.step ?? 0;
    this.#show({ title: `${this.#book}: ${this.#doing}`, done: step, total: step });
    this.#bar.finish();
  }

  /** Interrupted, or failed. */
  stop(state: "stopped" | "failed"): void {
    this.#bar.finish(state);
  }

  /** What an interruption leaves. */
  interrupted(): string {
    const name = this.#book;
    if (!this.#best && this.#budget === 0) {
      return `Interrupted: ${name} has no facts any more and answers as the base; what it says now was not all asked.`;
    }
    if (!this.#best) return `Interrupted: nothing was trained yet, ${name} is as it was.`;
    const { step, recalled } = this.#best;
    if (step === 0 && !this.#examining) {
      return `Interrupted: no check found anything new yet, ${name} answers as it did; run the cell again.`;
    }
    const kept = `${name} keeps what was known at step ${step}: ${recalled} of ${counted(this.#wordings, "wording")}`;
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
      ...(recalled === undefined ? [] : [`recalled ${recalled} of ${this.#wordings}`]),
      ...(loss === undefined ? [] : [`loss ${figure(loss)}`]),
    ];
    this.#bar.update({ ...step, ...(notes.length > 0 ? { note: notes.join("  ") } : {}) });
  }

  #draw(): void {
    if (this.#points.length > 0) this.#chart.update(() => this.#rendered());
  }

  #rendered() {
    const steps = this.#budget === undefined ? {} : { steps: this.#budget };
    const curves = { points: this.#points, recall: this.#recall, wordings: this.#wordings };
    return renderRecall({ title: `${this.#book}: ${this.#doing}`, ...curves, ...steps });
  }
}
