/** @file A live chart of the ranks that a run leaves, for %%train and for loops that are written out in a cell. */
import type { ModuleRank } from "../src/index.ts";
import { LiveChart } from "./live-chart.ts";
import { type RankCurve, type RankPoint, renderRanks } from "./render/rank-chart.ts";

export interface RankChartOptions {
  readonly title?: string;
  /** How many steps there will be, where that is known: the chart then keeps its scale while it grows. */
  readonly steps?: number;
}

export interface RankChartPoint {
  readonly step: number;
  /** As before when they are left out. */
  readonly ranks?: readonly ModuleRank[] | undefined;
}

/** A chart in the running cell that grows as steps are pushed. */
export class RankChart {
  readonly #title: string;
  #steps: number | undefined;
  readonly #chart: LiveChart = new LiveChart();
  readonly #changes: RankPoint[] = [];
  #last = 0;

  constructor({ title = "ranks left", steps }: RankChartOptions = {}) {
    this.#title = title;
    this.#steps = steps;
  }

  /** Adds a step: an event of `fit`, or what `optimizer.step` gives. Cheap: the chart is drawn a few times a second at most. */
  push({ step, ranks }: RankChartPoint): void {
    const before = this.#changes.at(-1)?.ranks;
    if (ranks && !(before && ranks.every(({ rank }, i) => rank === before[i]?.rank))) {
      this.#changes.push({ step, ranks });
    }
    this.#last = step;
    if (this.#changes.length > 0) this.#chart.update(() => renderRanks(this.#curve()));
  }

  /** What came after a step did not come to be: the run goes on from there. */
  rewind(step: number): void {
    while ((this.#changes.at(-1)?.step ?? 0) > step) this.#changes.pop();
  }

  /** Draws the last state, with a picture that also shows where no script runs. Nothing is drawn of no ranks. */
  async done(): Promise<void> {
    this.#steps = undefined;
    await this.#chart.done(this.#changes.length === 0 ? undefined : renderRanks(this.#curve()));
  }

  #curve(): RankCurve {
    const steps = this.#steps === undefined ? {} : { steps: this.#steps };
    return { title: this.#title, changes: this.#changes, last: this.#last, ...steps };
  }
}

/** A live chart of ranks: `const chart = rankChart({ steps }); chart.push(await optimizer.step(adapter, gradients)); await chart.done();` */
export function rankChart(options: RankChartOptions = {}): RankChart {
  return new RankChart(options);
}
