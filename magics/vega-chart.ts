/** @file A chart of rows in the running cell, drawn as a Vega-Lite specification says. */
import { plural } from "../src/plural.ts";
import { show } from "./live.ts";
import { toSvg } from "./render/svg.ts";
import { framed, VEGA_LITE_MIME, type VegaLiteSpec, WIDTH } from "./render/vega.ts";

/**
 * Draws rows in the running cell, with a picture that also shows where no script runs:
 * `await vegaChart("Loss", rows, { mark: "line", encoding: { x: { field: "step", type: "quantitative" }, ... } })`.
 * @param spec what Vega-Lite takes beside title and data; `width` and `height` in pixels
 * @throws Error of Vega-Lite's where it cannot be drawn: then nothing is shown
 */
export async function vegaChart(title: string, rows: readonly object[], spec: VegaLiteSpec): Promise<void> {
  const chart = framed(title, { width: WIDTH, height: 220, data: { values: rows }, ...spec });
  const picture = await toSvg(chart);
  const text = `${title} (chart of ${plural(rows.length, "row")})`;
  show({ [VEGA_LITE_MIME]: chart, "image/svg+xml": picture, "text/plain": text });
}
