/** @file A chart in the running cell that grows, and in the end stays with a picture. */
import type { MimeBundle } from "../src/ambient.ts";
import { LiveDisplay } from "./live.ts";
import { toSvg } from "./render/svg.ts";
import { VEGA_LITE_MIME, type VegaLiteSpec } from "./render/vega.ts";

/** Charts are heavy for a front end: it draws each one anew. */
const INTERVAL = 400;

export class LiveChart {
  readonly #display: LiveDisplay = new LiveDisplay({ interval: INTERVAL });

  /** Cheap: the chart is drawn a few times a second at most. */
  update(draw: () => MimeBundle): void {
    this.#display.update(draw);
  }

  /** The last state, with a picture that also shows where no script runs; nothing where nothing is given. */
  async done(chart?: MimeBundle): Promise<void> {
    if (!chart) return this.#display.finish();
    const picture = await toSvg(chart[VEGA_LITE_MIME] as VegaLiteSpec);
    this.#display.finish({ ...chart, "image/svg+xml": picture });
  }
}
