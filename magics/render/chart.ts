/** @file The loss chart as a Vega-Lite specification, and as the bundle that every front end can show something of. */
import type { MimeBundle } from "../../src/ambient.ts";
import { figure } from "./text.ts";

export interface LossPoint {
  readonly step: number;
  readonly loss: number;
}

export interface EpochPoint {
  /** The last step of the epoch. */
  readonly step: number;
  readonly epoch: number;
  readonly loss: number;
  readonly validationLoss?: number;
}

export interface LossCurve {
  readonly title: string;
  readonly points: readonly LossPoint[];
  readonly epochs: readonly EpochPoint[];
  /** The epoch whose values are kept; it is starred. */
  readonly bestEpoch?: number;
}

/** A Vega-Lite specification as plain JSON. */
export type VegaLiteSpec = Readonly<Record<string, unknown>>;

/** JupyterLab renders Vega-Lite up to MIME version 5; a v6 MIME type shows nothing, silently. */
export const VEGA_LITE_MIME = "application/vnd.vegalite.v5+json";
const SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json";
const MOST_POINTS = 400;
const STAR =
  "M0,-1L0.2245,-0.309L0.9511,-0.309L0.3633,0.118L0.5878,0.809L0,0.382L-0.5878,0.809L-0.3633,0.118L-0.9511,-0.309L-0.2245,-0.309Z";

/** The chart without its static picture, for a run that still goes on. */
export function renderChart(curve: LossCurve): MimeBundle {
  return { [VEGA_LITE_MIME]: lossSpec(curve), "text/plain": plainChart(curve) };
}

export function lossSpec(curve: LossCurve): VegaLiteSpec {
  const training = thinned(curve.points).map(({ step, loss }) => ({ step, loss, series: "training" }));
  const validation = curve.epochs.flatMap(({ step, epoch, validationLoss }) =>
    validationLoss === undefined ? [] : [{ step, epoch, loss: validationLoss, series: "validation" }],
  );
  const best = curve.epochs.find(({ epoch }) => epoch === curve.bestEpoch);
  const starred = best ? [{ step: best.step, epoch: best.epoch, loss: best.validationLoss ?? best.loss }] : [];
  const x = { field: "step", type: "quantitative", title: "step", axis: { tickMinStep: 1, format: "d" } };
  const y = { field: "loss", type: "quantitative", title: "loss (nats per token)" };
  const domain = validation.length > 0 ? ["training", "validation"] : ["training"];
  const color = {
    field: "series",
    type: "nominal",
    title: null,
    scale: { domain, range: ["#1976d2", "#f57c00"].slice(0, domain.length) },
    legend: domain.length > 1 ? { orient: "top-right" } : null,
  };
  const tooltip = [
    { field: "step", type: "quantitative" },
    { field: "loss", type: "quantitative", format: ".4g" },
  ];
  return {
    $schema: SCHEMA,
    title: curve.title,
    width: 480,
    height: 220,
    background: "white",
    layer: [
      {
        data: { values: training },
        mark: { type: "line", strokeWidth: 1.5, clip: true },
        encoding: { x, y, color, tooltip },
      },
      ...(validation.length === 0
        ? []
        : [
            {
              data: { values: validation },
              mark: { type: "line", strokeWidth: 1.5, point: { size: 24 } },
              encoding: { x, y, color, tooltip: [{ field: "epoch", type: "quantitative" }, ...tooltip] },
            },
          ]),
      ...(starred.length === 0
        ? []
        : [
            {
              data: { values: starred },
              mark: { type: "point", shape: STAR, size: 90, filled: true, color: "#d32f2f", opacity: 1 },
              encoding: { x, y, tooltip: [{ field: "epoch", type: "quantitative", title: "best epoch" }, ...tooltip] },
            },
          ]),
    ],
    usermeta: { embedOptions: { renderer: "svg", actions: false } },
  };
}

function plainChart({ title, points, epochs, bestEpoch }: LossCurve): string {
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return `${title}: no steps yet`;
  const best = epochs.find(({ epoch }) => epoch === bestEpoch);
  const bestLoss = best ? (best.validationLoss ?? best.loss) : undefined;
  const star = best && bestLoss !== undefined ? `, best epoch ${best.epoch} (${figure(bestLoss)})` : "";
  return `${title}: loss ${figure(first.loss)} → ${figure(last.loss)} in ${last.step} steps${star}`;
}

/** Means of equal runs of steps when there are more points than a chart can show; the last point stays itself. */
function thinned(points: readonly LossPoint[]): readonly LossPoint[] {
  if (points.length <= MOST_POINTS) return points;
  const run = Math.ceil(points.length / MOST_POINTS);
  const means: LossPoint[] = [];
  for (let start = 0; start < points.length - 1; start += run) {
    const group = points.slice(start, Math.min(start + run, points.length - 1));
    const loss = group.reduce((sum, point) => sum + point.loss, 0) / group.length;
    means.push({ step: group.at(-1)?.step ?? 0, loss });
  }
  return [...means, ...points.slice(-1)];
}
