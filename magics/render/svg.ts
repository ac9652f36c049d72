/** @file A Vega-Lite specification as a static SVG, for readers without JavaScript: GitHub, nbconvert, e-mail. */
import type { TopLevelSpec } from "vega-lite";
import type { VegaLiteSpec } from "./vega.ts";

/** Compiles and draws the chart here. Vega is loaded on first use: most cells draw nothing. */
export async function toSvg(spec: VegaLiteSpec): Promise<string> {
  const [vega, vegaLite] = await Promise.all([import("vega"), import("vega-lite")]);
  const { $schema: _, ...chart } = spec;
  const compiled = vegaLite.compile(chart as unknown as TopLevelSpec).spec;
  const view = new vega.View(vega.parse(compiled), { renderer: "none" });
  try {
    return await view.toSVG();
  } finally {
    view.finalize();
  }
}
