/** @file What is left of ranks over the steps of a run: all modules together, and below it each of them. */
import type { MimeBundle } from "../../src/ambient.ts";
import type { ModuleRank } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { MOST_POINTS } from "./chart.ts";
import { rankOf, shortModules, totalRank } from "./ranks.ts";
import { framed, STEP, upTo, VEGA_LITE_MIME, type VegaLiteSpec, WIDTH } from "./vega.ts";

export interface RankPoint {
  /** The step after which they are these. */
  readonly step: number;
  readonly ranks: readonly ModuleRank[];
}

export interface RankCurve {
  readonly title: string;
  /** Of the first step, and whenever they have changed. */
  readonly changes: readonly RankPoint[];
  /** The last step: they are until then what they were when they changed last. */
  readonly last: number;
  /** How many steps there will be: while it grows, the chart keeps its scale. */
  readonly steps?: number;
}

/** More cells than this make a notebook large. */
const MOST_CELLS = 3000;
/** Columns that are left of many modules, and those that are wide enough to be seen of few. */
const [FEWEST_COLUMNS, MOST_COLUMNS] = [8, 60];
/** Pixels of a module's line, where there is room for it. */
const LINE = 14;
const MOST_HEIGHT = 360;
const COLOR = "#7b1fa2";

export function rankSpec({ title, changes, last, steps }: RankCurve): VegaLiteSpec {
  const modules = changes[0]?.ranks ?? [];
  const short = shortModules(modules.map(({ module }) => module));
  const most = Math.max(1, ...modules.map(({ of }) => of));
  const x = { ...STEP, ...upTo(steps ?? Math.max(1, last)) };
  const line = thinned(changes, MOST_POINTS).map(({ step, ranks }) => ({ step, ...sums(ranks) }));
  const end = changes.at(-1);
  const all = {
    data: { values: [...line, ...(end && end.step < last ? [{ step: last, ...sums(end.ranks) }] : [])] },
    mark: {
      type: "line",
      interpolate: "step-after",
      strokeWidth: 1.5,
      color: COLOR,
      point: { size: 16, color: COLOR },
    },
    encoding: {
      x,
      y: {
        field: "rank",
        type: "quantitative",
        title: "rank left, all modules",
        scale: { domain: [0, Math.max(1, totalRank(modules).of)] },
        axis: { tickMinStep: 1, format: "d" },
      },
      tooltip: [
        { field: "step", type: "quantitative" },
        { field: "rank", type: "quantitative" },
        { field: "mean", type: "quantitative", title: "mean of a module", format: ".2f" },
      ],
    },
  };
  const each = {
    data: { values: cells(changes, last, short) },
    mark: { type: "rect" },
    encoding: {
      x: { ...x, field: "step" },
      x2: { field: "to" },
      y: { field: "module", type: "nominal", sort: null, title: null, axis: { labelOverlap: true, labelLimit: 260 } },
      color: {
        field: "rank",
        type: "quantitative",
        title: "rank left",
        scale: { domain: [0, most], scheme: "viridis" },
        legend: { orient: "bottom", titleOrient: "left", gradientLength: 160, tickMinStep: 1, format: "d" },
      },
      tooltip: [
        { field: "module", type: "nominal" },
        { field: "step", type: "quantitative", title: "from step" },
        { field: "rank", type: "quantitative", title: `rank left of ${most}` },
      ],
    },
  };
  return framed(title, {
    vconcat: [
      { width: WIDTH, height: 110, ...all },
      { width: WIDTH, height: Math.min(MOST_HEIGHT, Math.max(1, modules.length) * LINE), ...each },
    ],
  });
}

/** The chart without its static picture. */
export function renderRanks(curve: RankCurve): MimeBundle {
  return { [VEGA_LITE_MIME]: rankSpec(curve), "text/plain": plainRanks(curve) };
}

/** A cell for each module, from a change to the next. */
function cells(changes: readonly RankPoint[], last: number, short: readonly string[]): object[] {
  const room = Math.floor(MOST_CELLS / Math.max(1, short.length));
  const columns = thinned(changes, Math.min(MOST_COLUMNS, Math.max(FEWEST_COLUMNS, room)));
  return columns.flatMap(({ step, ranks }, i) => {
    // The last column is seen, too, when its change was the last step.
    const to = columns[i + 1]?.step ?? Math.max(last, step + 1);
    return ranks.map(({ rank }, row) => ({ step, to, module: short[row], rank }));
  });
}

const sums = (ranks: readonly ModuleRank[]): { readonly rank: number; readonly mean: number } => {
  const { rank } = totalRank(ranks);
  return { rank, mean: rank / Math.max(1, ranks.length) };
};

/** Of many, so many, evenly: the first and the last among them. */
function thinned<T>(items: readonly T[], most: number): readonly T[] {
  if (items.length <= most) return items;
  const every = (items.length - 1) / (most - 1);
  return Array.from({ length: most }, (_, i) => items[Math.round(i * every)] as T);
}

function plainRanks({ title, changes, last }: RankCurve): string {
  const [first, end] = [changes[0], changes.at(-1)];
  if (!first || !end) return `${title}: no steps yet`;
  const { rank: before } = totalRank(first.ranks);
  return `${title}: ${before} → ${rankOf(end.ranks)} in ${plural(last, "step")}`;
}
