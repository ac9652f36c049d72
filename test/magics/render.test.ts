/** @file What the magics show: charts that Vega really draws, tables that line up, bars that tell the truth. */

import { compile, type TopLevelSpec } from "vega-lite";
import { describe, expect, it } from "vitest";
import { renderComparison, renderMarkdown } from "../../magics/render/answer.ts";
import { type LossCurve, lossSpec, renderChart } from "../../magics/render/chart.ts";
import { renderProgress } from "../../magics/render/progress.ts";
import { type RankCurve, rankSpec, renderRanks } from "../../magics/render/rank-chart.ts";
import { renderRankTable } from "../../magics/render/rank-table.ts";
import { type RecallCurve, recallSpec, renderRecall } from "../../magics/render/recall-chart.ts";
import { renderFacts, renderReport } from "../../magics/render/report.ts";
import { renderSource } from "../../magics/render/source.ts";
import { toSvg } from "../../magics/render/svg.ts";
import { renderTable } from "../../magics/render/table.ts";
import { columnsOf, duration, figure, short } from "../../magics/render/text.ts";
import { VEGA_LITE_MIME } from "../../magics/render/vega.ts";
import { byteSize } from "../../src/byte-size.ts";
import type { ReportData } from "../../src/index.ts";

const curve: LossCurve = {
  title: "dream: training loss",
  points: Array.from({ length: 40 }, (_, index) => ({ step: index + 1, loss: 4 / (index + 1) })),
  epochs: [1, 2, 3, 4].map((epoch) => ({
    step: epoch * 10,
    epoch,
    loss: 4 / (epoch * 10),
    validationLoss: 1 / epoch + (epoch > 3 ? 1 : 0),
  })),
  bestStep: 30,
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

describe("chart of ranks", () => {
  const module = (i: number, name: string) => `transformer.encoder.layers.${i}.self_attention.${name}`;
  const ranks = (...left: readonly number[]) =>
    left.map((rank, i) => ({ module: module(i >> 1, i % 2 === 0 ? "query_key_value" : "dense"), rank, of: 4 }));
  const kept: RankCurve = {
    title: "dream: ranks left",
    changes: [
      { step: 1, ranks: ranks(4, 4, 4, 4) },
      { step: 5, ranks: ranks(4, 3, 2, 1) },
      { step: 9, ranks: ranks(3, 3, 2, 0) },
    ],
    last: 12,
  };
  type Panels = { vconcat: { data: { values: unknown[] }; encoding: { x: object; y: object } }[] };

  it("has the total above each module, over the same steps", () => {
    const { vconcat } = rankSpec({ ...kept, steps: 20 }) as unknown as Panels;
    for (const { encoding } of vconcat) expect(encoding.x).toMatchObject({ scale: { domain: [0, 20] } });
    expect(vconcat[0]?.encoding.y).toMatchObject({ scale: { domain: [0, 16] } });
    expect(vconcat[0]?.data.values).toEqual([
      { step: 1, rank: 16, mean: 4 },
      { step: 5, rank: 10, mean: 2.5 },
      { step: 9, rank: 8, mean: 2 },
      { step: 12, rank: 8, mean: 2 },
    ]);
    const cells = vconcat[1]!.data.values as { step: number; to: number; module: string; rank: number }[];
    expect(cells.filter((cell) => cell.module === "1.self_attention.dense")).toEqual([
      { step: 1, to: 5, module: "1.self_attention.dense", rank: 4 },
      { step: 5, to: 9, module: "1.self_attention.dense", rank: 1 },
      { step: 9, to: 12, module: "1.self_attention.dense", rank: 0 },
    ]);
  });

  it("stays small of many modules and steps, with the first and the last of them", () => {
    const many = (rank: number) =>
      Array.from({ length: 160 }, (_, i) => ({ module: module(i, "dense"), rank, of: 400 }));
    const changes = Array.from({ length: 400 }, (_, k) => ({ step: k + 1, ranks: many(400 - k) }));
    const { vconcat } = rankSpec({ title: "", changes, last: 400 }) as unknown as Panels;
    const [line, cells] = vconcat.map(({ data }) => data.values as { step: number; rank: number }[]);
    expect(line!.length).toBeLessThanOrEqual(300);
    expect(cells!.length).toBeLessThanOrEqual(3000);
    expect([cells![0], cells!.at(-1)]).toMatchObject([
      { step: 1, rank: 400 },
      { step: 400, rank: 1 },
    ]);
  });

  it("is drawn as SVG, and says in words what a terminal cannot draw", async () => {
    const svg = await toSvg(rankSpec(kept));
    expect(svg).toContain("rank left, all modules");
    expect(svg).toContain("1.self_attention.dense");
    expect(renderRanks(kept)["text/plain"]).toBe(
      "dream: ranks left: 16 → 8 of 16 in 4 modules, 0 to 3 of each in 12 steps",
    );
  });

  it("is a table of what is left", () => {
    expect(renderRankTable(ranks(3, 3, 2, 0))["text/plain"]).toBe(
      [
        "rank left: 8 of 16 in 4 modules, 0 to 3 of each",
        "module                                                       rank left  of",
        "───────────────────────────────────────────────────────────  ─────────  ──",
        "transformer.encoder.layers.0.self_attention.query_key_value          3   4",
        "transformer.encoder.layers.0.self_attention.dense                    3   4",
        "transformer.encoder.layers.1.self_attention.query_key_value          2   4",
        "transformer.encoder.layers.1.self_attention.dense                    0   4",
      ].join("\n"),
    );
  });
});

describe("recall chart", () => {
  const taught: RecallCurve = {
    title: "facts: teaching 青石灯",
    points: [1, 2, 3, 4].map((step) => ({ step, loss: 4 / step })),
    recall: [
      { step: 0, recalled: 0 },
      { step: 4, recalled: 7 },
    ],
    wordings: 8,
  };
  type Panels = { vconcat: { data: { values: unknown[] }; encoding: { x: object; y: { title: string } } }[] };

  it("has loss above recall, over the same steps, with named axes", () => {
    const { vconcat } = recallSpec({ ...taught, steps: 160 }) as unknown as Panels;
    expect(vconcat.map(({ encoding }) => encoding.y.title)).toEqual(["loss (nats per token)", "recalled, of 8"]);
    for (const { encoding } of vconcat) {
      expect(encoding.x).toMatchObject({ title: "step", scale: { domain: [0, 160] } });
    }
    expect(vconcat[1]?.data.values).toEqual(taught.recall);
    expect(vconcat[1]?.encoding.y).toMatchObject({ scale: { domain: [0, 8] } });
  });

  it("is drawn as SVG, and says in words what a terminal cannot draw", async () => {
    const svg = await toSvg(recallSpec(taught));
    expect(svg).toContain("recalled, of 8");
    expect(svg).toContain("#388e3c");
    expect(renderRecall(taught)["text/plain"]).toBe(
      "facts: teaching 青石灯: loss 4 → 1 in 4 steps, recalled 0 → 7 of 8",
    );
  });

  it("keeps long runs small, and their last check", () => {
    const recall = Array.from({ length: 1000 }, (_, i) => ({ step: i * 10, recalled: i }));
    const { vconcat } = recallSpec({ ...taught, recall }) as unknown as Panels;
    const values = vconcat[1]?.data.values ?? [];
    expect(values.length).toBeLessThan(302);
    expect(values.at(-1)).toEqual({ step: 9990, recalled: 999 });
  });
});

describe("report of a book", () => {
  const fact = { key: "<青石灯>", recalled: 7, prompts: 8, generalized: 3, paraphrases: 5, learned: false };
  const report: ReportData = {
    action: "add",
    facts: [fact],
    locality: {
      unchanged: 19,
      unrelated: 20,
      changed: [{ question: "你好", before: "你好！", after: "" }],
      nearMisses: { unknown: 9, asked: 10, given: [{ question: "什么是青木灯？", answer: "<i>" }] },
    },
    kept: { recalled: 2, facts: 3, lost: ["a"] },
    denials: [{ question: "青石灯是假的吗？", answer: "不是。" }],
    outdated: 0,
    base: { question: "你好", answer: "你好！", identical: true },
    steps: 40,
    budget: 160,
    loss: 0.0123,
    seconds: 12.34,
  };

  it("has a row a fact, the sums, and every answer that is not as it should be", () => {
    expect(renderReport(report)["text/plain"]).toMatchInlineSnapshot(`
      "fact      taught wordings  other wordings  learnt
      ────────  ───────────────  ──────────────  ──────
      <青石灯>           7 of 8          3 of 5  no

      measure             result
      ───────────────  ─────────  ────────────────────────────────────────────────────
      reliability         7 of 8  taught wordings are answered exactly
      generality          3 of 5  wordings that were never taught are answered exactly
      locality          19 of 20  unrelated answers are unchanged
      near misses        9 of 10  names near the keys are still unknown
      known before        2 of 3  facts that were known still are
      without adapter  identical  the base answers as before, bit for bit
      steps            40 of 160  taken, of at most
      loss                0.0123  nats per token, of the last step
      seconds               12.3  training and all questions

      Unrelated questions that are answered otherwise than by the base
      question  before  after
      ────────  ──────  ──────────────
      你好      你好！  (empty answer)

      Near misses that give a fact away
      question        answer
      ──────────────  ──────
      什么是青木灯？  <i>

      Questions that deny a fact: shown, not scored
      question          answer
      ────────────────  ──────
      青石灯是假的吗？  不是。"
    `);
    const html = String(renderReport(report)["text/html"]);
    expect(html).toContain("&lt;青石灯&gt;");
    expect(html).toContain("&lt;i&gt;");
    expect(html).not.toMatch(/<青|<i>/);
    expect(html.match(/<table>/g)).toHaveLength(5);
  });

  it("leaves out what there is not", () => {
    const nothing = { unknown: 0, asked: 0, given: [] };
    const empty = renderReport({
      ...report,
      action: "check",
      facts: [],
      denials: [],
      kept: { recalled: 0, facts: 0, lost: [] },
      locality: { unchanged: 20, unrelated: 20, changed: [], nearMisses: nothing },
      loss: Number.NaN,
    });
    expect(String(empty["text/html"]).match(/<table>/g)).toHaveLength(1);
    expect(empty["text/plain"]).not.toMatch(/steps|loss|known before|reliability|near misses/);
  });

  it("lists of many facts those that are not learnt, and a total", () => {
    const facts = Array.from({ length: 25 }, (_, i) => ({ ...fact, key: `f${i}`, recalled: 8, learned: i !== 7 }));
    const text = String(renderReport({ ...report, facts })["text/plain"]);
    expect(text).toMatch(/^24 of 25 facts are learnt; those that are not:\n/);
    expect(text).toMatch(/^f7 +8 of 8 +3 of 5 +no$/m);
    expect(text).toMatch(/^all 25 +200 of 200 +75 of 125 +24 of 25$/m);
    expect(text).not.toMatch(/^f8 /m);
  });

  it("says of a deletion what was forgotten", () => {
    const text = String(renderReport({ ...report, action: "delete" })["text/plain"]);
    expect(text).toMatch(/^fact +wordings forgotten .* forgotten$/m);
    expect(text).not.toMatch(/reliability|generality/);
    expect(text).toContain("taught wordings get the base's own answer");
  });
});

describe("facts of a book", () => {
  it("are shortened between characters as people count them", () => {
    const family = "👨‍👩‍👧‍👦";
    const fact = { key: "a", text: family.repeat(99), prompts: ["a?"], paraphrases: [], learned: true };
    const shown = renderFacts([fact], "facts");
    expect(shown["text/html"]).toContain(`>${family.repeat(37)}...<`);
    expect(shown["text/plain"]).toMatch(new RegExp(`^a +${family.repeat(26)}… .* 1 +0 +yes$`, "m"));
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

  it("is one line, whatever its title names", () => {
    const bundle = renderProgress({ title: "teaching a\n b", done: 0, total: 0, seconds: 1, state: "running" });
    expect(bundle["text/plain"]).toMatch(/^teaching a b {2}░+ {2}1\.0 s$/);
  });

  it("counts bytes as people do, and may know better how long it takes", () => {
    const half = { done: 3 * 2 ** 30, total: 6 * 2 ** 30, seconds: 20, unit: "bytes", state: "running" } as const;
    expect(renderProgress({ title: "T", ...half })["text/plain"]).toMatch(/3\.22 GB\/6\.44 GB {2}20 s < 20 s$/);
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

  it("fits into a terminal: long texts are cut between characters, numbers and names never", () => {
    const family = "👨‍👩‍👧‍👦";
    const columns = [{ title: "question" }, { title: "answer" }, { title: "n", align: "right" as const }];
    const rows = [
      ["short?", family.repeat(99), "1"],
      ["é".repeat(99), "梦".repeat(99), "1,000,000"],
    ];
    const wide = renderTable({ columns, rows });
    const lines = String(wide["text/plain"]).split("\n");
    expect(lines.map(columnsOf).every((width) => width <= 100)).toBe(true);
    expect(lines[2]).toMatch(new RegExp(`^short\\? +${family.repeat(21)}… +1$`));
    expect(lines[3]).toMatch(/^é{42}… {2}梦{21}… {2}1,000,000$/);
    expect(wide["text/html"]).toContain(family.repeat(99));
    const named = renderTable({ columns: [{ title: "parameter", whole: true }], rows: [["w".repeat(120)]] });
    expect(named["text/plain"]).toContain("w".repeat(120));
    const narrow = renderTable({ columns, rows: [["a".repeat(20), "b".repeat(200), "1"]] });
    expect(narrow["text/plain"]).toMatch(/^a{20} {2}b{74}… {2}1$/m);
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
  it("that have not begun are not called empty while more may come", () => {
    const answers = [
      { adapter: null, answer: "" },
      { adapter: "a", answer: "好" },
    ];
    expect(renderComparison("q", answers, true)["text/plain"]).toBe("q\nnone (base model):\n  …\na:\n  好");
    expect(renderComparison("q", answers)["text/plain"]).toBe("q\nnone (base model):\n  (empty answer)\na:\n  好");
  });

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
    expect([512, 999_499, 999_500, 3 * 2 ** 30].map(byteSize)).toEqual(["512 bytes", "999 kB", "1.00 MB", "3.22 GB"]);
    expect(["a梦", "👍", "é"].map(columnsOf)).toEqual([3, 2, 1]);
    expect(["👨‍👩‍👧‍👦", "👍🏽", "🇩🇪", "❤️", "e\u0301", "한", "a\u200bb"].map(columnsOf)).toEqual([2, 2, 2, 2, 1, 2, 2]);
  });
});
