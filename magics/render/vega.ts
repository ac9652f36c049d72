/** @file What all charts share: the form in which front ends take them, their frame, and the axis of steps. */

/** A Vega-Lite specification as plain JSON. */
export type VegaLiteSpec = Readonly<Record<string, unknown>>;

/** JupyterLab renders Vega-Lite up to MIME version 5; a v6 MIME type shows nothing, silently. */
export const VEGA_LITE_MIME = "application/vnd.vegalite.v5+json";
const SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json";

/** In pixels, without the axis. */
export const WIDTH = 480;

export const STEP = { field: "step", type: "quantitative", title: "step", axis: { tickMinStep: 1, format: "d" } };

/** What all charts have: a title, a ground to be read on, nothing to click. */
export function framed(title: string, chart: object): VegaLiteSpec {
  const usermeta = { embedOptions: { renderer: "svg", actions: false } };
  return { $schema: SCHEMA, title, background: "white", ...chart, usermeta };
}

/** The scale of steps, fixed while it is known how many there will be. */
export function upTo(steps: number | undefined): object {
  return steps === undefined ? {} : { scale: { domain: [0, steps] } };
}
