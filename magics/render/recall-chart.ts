/** @file Loss and recall over the steps in which facts are taught. */
import type { MimeBundle } from "../../src/ambient.ts";
import { plural } from "../../src/plural.ts";
import { type LossCurve, lossLine, MOST_POINTS } from "./chart.ts";
import { figure } from "./text.ts";
import { framed, STEP, upTo, VEGA_LITE_MIME, type VegaLiteSpec, WIDTH } from "./vega.ts";

export interface RecallPoint {
  readonly step: number;
  /** Wordings that were answered exactly. */
  readonly recalled: number;
}

export interface RecallCurve extends Pick<LossCurve, "title" | "points" | "steps"> {
  readonly recall: readonly RecallPoint[];
  /** How many wordings there are. */
  readonly wordings: number;
  /** What is counted of them: "recalled" unless it is said. */
  readonly counts?: "recalled" | "forgotten";
}

/** Loss, and below it how much is recalled, over the same steps. */
export function recallSpec({ title, points, recall, wordings, steps, counts = "recalled" }: RecallCurve): VegaLiteSpec {
  // Both panels, whatever was checked when.
  const all = steps ?? Math.max(1, ...[points, recall].map((curve) => curve.at(-1)?.step ?? 0));
  const every = Math.ceil(recall.length / MOST_POINTS);
  const known = {
    data: { values: recall.filter((_, i) => i % every === 0 || i === recall.length - 1) },
    mark: {
      type: "line",
      interpolate: "step-after",
      strokeWidth: 1.5,
      color: "#388e3c",
      point: { size: 24, color: "#388e3c" },
    },
    encoding: {
      x: { ...STEP, ...upTo(all) },
      y: {
        field: "recalled",
        type: "quantitative",
        title: `${counts}, of ${wordings}`,
        scale: { domain: [0, Math.max(1, wordings)] },
        axis: { tickMinStep: 1, format: "d" },
      },
      tooltip: [
        { field: "step", type: "quantitative" },
        { field: "recalled", type: "quantitative", title: counts },
      ],
    },
  };
  return framed(title, {
    vconcat: [
      { width: WIDTH, height: 160, ...lossLine({ points, steps: all }, false) },
      { width: WIDTH, height: 110, ...known },
    ],
  });
}

/** The chart without its static picture. */
export function renderRecall(curve: RecallCurve): MimeBundle {
  return { [VEGA_LITE_MIME]: recallSpec(curve), "text/plain": plainRecall(curve) };
}

function plainRecall({ title, points, recall, wordings, counts = "recalled" }: RecallCurve): string {
  const [first, last] = [points[0], points.at(-1)];
  const losses =
    first && last ? `loss ${figure(first.loss)} → ${figure(last.loss)} in ${plural(last.step, "step")}, ` : "";
  const known = recall.map(({ recalled }) => recalled);
  return `${title}: ${losses}${counts} ${known[0] ?? 0} → ${known.at(-1) ?? 0} of ${wordings}`;
}
