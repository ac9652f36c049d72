/** @file A live loss chart for training loops that are written out in a cell. */
import { LiveChart } from "./live-chart.ts";
import { type EpochPoint, type LossCurve, type LossPoint, renderChart } from "./render/chart.ts";

export interface LossChartOptions {
  readonly title?: string;
  /** How many steps there will be, where that is known: the chart then keeps its scale while it grows. */
  readonly steps?: number;
}

export interface LossChartPoint {
  readonly loss: number;
  /** Counts from 1 when it is left out. */
  readonly step?: number;
  /** The loss on rows that are not trained on. */
  readonly validation?: number;
}

/** A chart in the running cell that grows as points are pushed. */
export class LossChart {
  readonly #title: string;
  #steps: number | undefined;
  readonly #chart: LiveChart = new LiveChart();
  readonly #points: LossPoint[] = [];
  readonly #epochs: EpochPoint[] = [];
  #bestStep: number | undefined;

  constructor({ title = "training loss", steps }: LossChartOptions = {}) {
    this.#title = title;
    this.#steps = steps;
  }

  /** Adds a training step. Cheap: the chart is drawn a few times a second at most. */
  push({ loss, step, validation }: LossChartPoint): void {
    const at = step ?? (this.#points.at(-1)?.step ?? 0) + 1;
    this.#points.push({ step: at, loss });
    if (validation !== undefined) {
      this.#epochs.push({ step: at, epoch: this.#epochs.length + 1, loss, validationLoss: validation });
    }
    this.#update();
  }

  /** Marks where a run was judged, at the last step. */
  judged(point: Omit<EpochPoint, "step">, best: boolean): void {
    const step = this.#points.at(-1)?.step ?? 0;
    this.#epochs.push({ ...point, step });
    if (best) this.#bestStep = step;
    this.#update();
  }

  /** What came after a step did not come to be: the run goes on from there. */
  rewind(step: number): void {
    for (const list of [this.#points, this.#epochs]) {
      while ((list.at(-1)?.step ?? 0) > step) list.pop();
    }
    if ((this.#bestStep ?? 0) > step) this.#bestStep = undefined;
  }

  /** Draws the last state, with a picture that also shows where no script runs. Nothing is drawn of no points. */
  async done(): Promise<void> {
    this.#steps = undefined;
    const curve = this.#curve();
    await this.#chart.done(curve.points.length === 0 ? undefined : renderChart(curve));
  }

  #update(): void {
    this.#chart.update(() => renderChart(this.#curve()));
  }

  #curve(): LossCurve {
    return {
      title: this.#title,
      points: this.#points,
      epochs: this.#epochs,
      ...(this.#bestStep === undefined ? {} : { bestStep: this.#bestStep }),
      ...(this.#steps === undefined ? {} : { steps: this.#steps }),
    };
  }
}

/** A live loss chart: `const chart = lossChart({ title }); chart.push({ loss }); await chart.done();` */
export function lossChart(options: LossChartOptions = {}): LossChart {
  return new LossChart(options);
}
