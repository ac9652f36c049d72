/** @file The loss chart as a Vega-Lite specification, and as the bundle that every front end can show something of. */

import type { MimeBundle } from "../../src/ambient.ts";
import { plural } from "../../src/plural.ts";
import { figure } from "./text.ts";
import { framed, STEP, upTo, VEGA_LITE_MIME, type VegaLiteSpec, WIDTH } from "./vega.ts";

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

/** Where a run was judged: at the end of an epoch, or in its midst. */
export interface EpochPoint {
  /** The step after which. */
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly validationLoss?: number;
}

export interface LossCurve {
  readonly title: string;
  readonly points: readonly LossPoint[];
  readonly epochs: readonly EpochPoint[];
  /** The step whose values are kept; where the run was judged after it, it is starred. */
  readonly bestStep?: number;
  /** How many steps there will be: while it grows, the chart keeps its scale. */
  readonly steps?: number;
}

type ChartPoint = LossPoint & { readonly epoch?: number };

/** More than this, a chart cannot show. */
export const MOST_POINTS = 300;
/** More epochs than this are a line without dots. */
const MOST_DOTS = 40;
const STAR =
  "M0,-1L0.2245,-0.309L0.9511,-0.309L0.3633,0.118L0.5878,0.809L0,0.382L-0.5878,0.809L-0.3633,0.118L-0.9511,-0.309L-0.2245,-0.309Z";

/** The chart without its static picture, for a run that still goes on. */
export function renderChart(curve: LossCurve): MimeBundle {
  return { [VEGA_LITE_MIME]: lossSpec(curve), "text/plain": plainChart(curve) };
}

export function lossSpec(curve: LossCurve): VegaLiteSpec {
  const epochs = curve.epochs.map(({ step, epoch, loss, validationLoss }) => ({
    step,
    epoch,
    loss: rounded(validationLoss ?? loss),
    validated: validationLoss !== undefined,
  }));
  const validation = thinned(epochs.filter(({ validated }) => validated)).map(({ validated: _, ...point }) => point);
  const starred = epochs.filter(({ step }) => step === curve.bestStep).map(({ validated: _, ...point }) => point);
  const axis = upTo(curve.steps);
  return framed(curve.title, {
    width: WIDTH,
    height: 220,
    layer: [
      lossLine(curve, validation.length > 0),
      ...(validation.length === 0
        ? []
        : [
            series(
              validation,
              axis,
              { type: "line", strokeWidth: 1.5, point: validation.length <= MOST_DOTS && { size: 24 } },
              lineColor("validation", true),
            ),
          ]),
      ...(starred.length === 0
        ? []
        : [
            series(
              starred,
              axis,
              { type: "point", shape: STAR, size: 90, filled: true, color: "#d32f2f", opacity: 1 },
              {},
            ),
          ]),
    ],
  });
}

const LOSS = { field: "loss", type: "quantitative", title: "loss (nats per token)" };

/** The loss of every step, with its name in the legend where there are other lines. */
export function lossLine({ points, steps }: Pick<LossCurve, "points" | "steps">, legend: boolean): object {
  const values = thinned(points).map(({ step, loss }) => ({ step, loss: rounded(loss) }));
  return series(values, upTo(steps), { type: "line", strokeWidth: 1.5 }, lineColor("training", legend));
}

/** One layer: points of the same kind. */
function series(values: readonly ChartPoint[], axis: object, mark: object, color: object): object {
  const ofEpochs = values.some((point) => "epoch" in point);
  return {
    data: { values },
    mark,
    encoding: {
      x: { ...STEP, ...axis },
      y: LOSS,
      ...color,
      tooltip: [
        ...(ofEpochs ? [{ field: "epoch", type: "quantitative" }] : []),
        { field: "step", type: "quantitative" },
        { field: "loss", type: "quantitative" },
      ],
    },
  };
}

/** The line's colour, with its name in the legend where there are two. */
function lineColor(name: "training" | "validation", legend: boolean): object {
  const scale = { domain: ["training", "validation"], range: ["#1976d2", "#f57c00"] };
  return { color: { datum: name, scale, title: null, legend: legend ? { orient: "top-right" } : null } };
}

function plainChart({ title, points, epochs, bestStep }: LossCurve): string {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return `${title}: no steps yet`;
  const best = epochs.find(({ step }) => step === bestStep);
  const bestLoss = best ? (best.validationLoss ?? best.loss) : undefined;
  const star = best && bestLoss !== undefined ? `, best epoch ${best.epoch} (${figure(bestLoss)})` : "";
  return `${title}: loss ${figure(first.loss)} → ${figure(last.loss)} in ${plural(last.step, "step")}${star}`;
}

/** Five digits are more than a chart can show, and keep notebooks small. */
function rounded(loss: number): number {
  return Number(loss.toPrecision(5));
}

/** Means of equal runs of points when there are more than a chart can show; the last point stays itself. */
function thinned<P extends LossPoint>(points: readonly P[]): readonly P[] {
  if (points.length <= MOST_POINTS) return points;
  const run = Math.ceil(points.length / MOST_POINTS);
  const means: P[] = [];
  for (let start = 0; start < points.length - 1; start += run) {
    const group = points.slice(start, Math.min(start + run, points.length - 1));
    const last = group.at(-1);
    const loss = rounded(group.reduce((sum, point) => sum + point.loss, 0) / group.length);
    if (last) means.push({ ...last, loss });
  }
  return [...means, ...points.slice(-1)];
}
