/** @file What the magics show: charts that Vega really draws, tables that line up, bars that tell the truth. */

import { compile, type TopLevelSpec } from "vega-lite";
import { describe, expect, it } from "vitest";
import { renderComparison, renderMarkdown } from "../../magics/render/answer.ts";
import { type LossCurve, lossSpec, renderChart } from "../../magics/render/chart.ts";
import { renderProgress } from "../../magics/render/progress.ts";
import { renderSource } from "../../magics/render/source.ts";
import { toSvg } from "../../magics/render/svg.ts";
import { renderTable } from "../../magics/render/table.ts";
import { bytes, columnsOf, duration, figure, short } from "../../magics/render/text.ts";
import { VEGA_LITE_MIME } from "../../magics/render/vega.ts";

const curve: LossCurve = {
  title: "dream: training loss",
  points: Array.from({ length: 40 }, (_, index) => ({ step: index + 1, loss: 4 / (index + 1) })),
  epochs: [1, 2, 3, 4].map((epoch) => ({
    step: epoch * 10,
    epoch,
    loss: 4 / (epoch * 10),
    validationLoss: 1 / epoch + (epoch > 3 ? 1 : 0),
  })),
  bestEpoch: 3,
};

/** The values that each layer of the specification draws. */
function layers(spec: unknown): { mark: { type: string }; values: Record<string, number>[] }[] {
  const { layer } = spec as { layer: { mark: { type: string }; data: { values: Record<string, number>[] } }[] };
  return layer.map(({ mark, data }) => ({ mark, values: data.values }));
}

describe("loss chart", () => {
  it("is a specification that Vega-Lite compiles without a complaint", () => {
    const complaints: string[] = [];
    const note = (...messages: unknown[]) => {
      complaints.push(messages.join(" "));
      return logger;
    };
    const logger = { level: () => logger, error: note, warn: note, info: () => logger, debug: () => logger } as never;
    const { $schema, ...spec } = lossSpec(curve);
    const { spec: compiled } = compile(spec as unknown as TopLevelSpec, { logger });
    expect(complaints).toEqual([]);
    expect(compiled.marks?.length).toBeGreaterThan(0);
    expect($schema).toBe("https://vega.github.io/schema/vega-lite/v5.json");
  });

  it("draws training, validation and a star on the best epoch", () => {
    const [training, validation, star] = layers(lossSpec(curve));
    expect(training?.values.map(({ step }) => step)).toEqual(curve.points.map(({ step }) => step));
    expect(validation?.values.map(({ loss }) => loss)).toEqual([1, 0.5, 0.33333, 1.25]);
    expect(star).toMatchObject({ mark: { type: "point" }, values: [{ step: 30, epoch: 3, loss: 0.33333 }] });
  });

  it("leaves out what there is not", () => {
    expect(layers(lossSpec({ title: "", points: curve.points, epochs: [] }))).toHaveLength(1);
  });

  it("keeps its scale while it grows", () => {
    const { layer } = lossSpec({ ...curve, steps: 90 }) as { layer: { encoding: { x: object } }[] };
    expect(layer).toHaveLength(3);
    for (const { encoding } of layer) expect(encoding.x).toMatchObject({ scale: { domain: [0, 90] } });
  });

  it("keeps long runs small, their level and their last step", () => {
    const points = Array.from({ length: 10_001 }, (_, index) => ({
      step: index + 1,
      loss: index === 10_000 ? 7 : index % 2,
    }));
    const [training] = layers(lossSpec({ title: "", points, epochs: [] }));
    const values = training?.values ?? [];
    expect(values.length).toBeLessThan(310);
    expect(values.at(-1)).toMatchObject({ step: 10_001, loss: 7 });
    expect(values.slice(0, -1).every(({ loss }) => Math.abs((loss ?? 0) - 0.5) < 0.05)).toBe(true);
  });

  it("is drawn as SVG with every line and the star", async () => {
    const svg = await toSvg(lossSpec(curve));
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"/);
    expect(svg).toContain("dream: training loss");
    expect(svg).toContain("loss (nats per token)");
    expect(svg).toContain("#d32f2f");
    expect(svg.match(/stroke="#(1976d2|f57c00)"/g)?.length).toBeGreaterThanOrEqual(2);
  });

  it("says in words what a terminal cannot draw", () => {
    const bundle = renderChart(curve);
    expect(bundle["text/plain"]).toBe("dream: training loss: loss 4 → 0.1 in 40 steps, best epoch 3 (0.3333)");
    expect(bundle[VEGA_LITE_MIME]).toMatchObject({ usermeta: { embedOptions: { renderer: "svg" } } });
  });
});

describe("progress bar", () => {
  it("tells how far it is and how long it takes", () => {
    const bundle = renderProgress({
      title: "Training",
      done: 25,
      total: 100,
      seconds: 20,
      note: "loss 0.5",
      state: "running",
    });
    expect(bundle["text/plain"]).toBe(`Training  ${"█".repeat(6)}${"░".repeat(18)}  25/100  loss 0.5  20 s < 1:00`);
    expect(bundle["text/html"]).toContain("width:25.0%");
  });

  it("counts bytes as people do, and may know better how long it takes", () => {
    const half = { done: 3 * 2 ** 30, total: 6 * 2 ** 30, seconds: 20, unit: "bytes", state: "running" } as const;
    expect(renderProgress({ title: "T", ...half })["text/plain"]).toMatch(/3\.00 GiB\/6\.00 GiB {2}20 s < 20 s$/);
    expect(renderProgress({ title: "T", ...half, left: 90 })["text/plain"]).toMatch(/20 s < 1:30$/);
  });

  it("says when it was stopped, and promises nothing then", () => {
    const bundle = renderProgress({ title: "T", done: 25, total: 100, seconds: 20, state: "stopped" });
    expect(bundle["text/plain"]).toMatch(/25\/100 {2}20 s {2}stopped$/);
  });

  it("says when it failed, also where nothing of it was done", () => {
    const bundle = renderProgress({ title: "T", done: 0, total: 1, seconds: 20, state: "failed" });
    expect(bundle["text/plain"]).toMatch(/0\/1 {2}20 s {2}failed$/);
    expect(bundle["text/html"]).toContain("failed");
  });

  it("shows an unknown total as such", () => {
    expect(renderProgress({ title: "T", done: 0, total: 0, seconds: 1, state: "running" })["text/plain"]).toBe(
      `T  ${"░".repeat(24)}  1.0 s`,
    );
  });
});

describe("table", () => {
  const table = {
    columns: [{ title: "名" }, { title: "n", align: "right" as const }],
    rows: [
      ["梦中", "1"],
      ["<b>", "200"],
    ],
  };

  it("lines up, Chinese characters included", () => {
    expect(renderTable(table)["text/plain"]).toBe("名      n\n────  ───\n梦中    1\n<b>   200");
  });

  it("shows HTML as text", () => {
    const html = String(renderTable(table)["text/html"]);
    expect(html).toContain("&lt;b&gt;");
    expect(html).not.toContain("<b>");
  });

  it("says so when it is empty", () => {
    const bundle = renderTable({ columns: table.columns, rows: [], empty: "None yet." });
    expect(bundle["text/plain"]).toBe("None yet.");
    expect(bundle["text/html"]).toContain("None yet.");
  });
});

describe("answers", () => {
  it("stand side by side, as text", () => {
    const bundle = renderComparison("1 < 2?", [
      { adapter: null, answer: "no\nidea" },
      { adapter: "dream", answer: "<i>" },
    ]);
    expect(bundle["text/plain"]).toBe("1 < 2?\nnone (base model):\n  no\n  idea\ndream:\n  <i>");
    expect(String(bundle["text/html"]).match(/<td/g)).toHaveLength(2);
    expect(bundle["text/html"]).toContain("&lt;i&gt;");
  });

  it("are Markdown where asked for", () => {
    expect(renderMarkdown("**a**")).toEqual({ "text/plain": "**a**", "text/markdown": "**a**" });
  });

  it("show code in a fence that the code cannot end", () => {
    expect(renderSource("a\n```\nb")["text/markdown"]).toBe("````ts\na\n```\nb\n````");
  });
});

describe("numbers for people", () => {
  it("keep what tells something", () => {
    expect([1949696, 999, 6245533696].map(short)).toEqual(["1.95 M", "999", "6.25 B"]);
    expect([0.012345, 3, 1e-7, Number.NaN].map(figure)).toEqual(["0.01235", "3", "1.00e-7", "NaN"]);
    expect([0.84, 59, 187, 3753].map(duration)).toEqual(["0.8 s", "59 s", "3:07", "1:02:33"]);
    expect([512, 3 * 2 ** 30].map(bytes)).toEqual(["512 B", "3.00 GiB"]);
    expect(["a梦", "👍", "é"].map(columnsOf)).toEqual([3, 2, 1]);
  });
});
