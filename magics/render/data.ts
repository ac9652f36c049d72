/** @file What a data set holds, shown: its lengths as a histogram, its numbers as a table, its rows with what is learnt in colour. */
import type { MimeBundle } from "../../src/ambient.ts";
import type { DataReport, LabelledRow } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import type { Table } from "./table.ts";
import { escapeHtml, grouped } from "./text.ts";
import { framed, type VegaLiteSpec, WIDTH } from "./vega.ts";

/** Rows by length, with a rule where they would be cut. */
export function lengthSpec(title: string, { histogram, limits, lengths }: DataReport): VegaLiteSpec {
  const bars = {
    // Copies: the chart marks what it is given.
    data: { values: histogram.map((bar) => ({ ...bar })) },
    mark: { type: "bar", color: "#1976d2", tooltip: true },
    encoding: {
      x: { field: "from", type: "quantitative", bin: { binned: true }, title: "tokens in a row" },
      x2: { field: "to" },
      y: { field: "rows", type: "quantitative", title: "rows", axis: { tickMinStep: 1, format: "d" } },
    },
  };
  // A limit far beyond all rows would only make them narrow.
  const isNear = limits.maxLength <= lengths.most;
  const limit = {
    data: { values: [{ length: limits.maxLength }] },
    mark: { type: "rule", color: "#d32f2f", strokeWidth: 1.5, strokeDash: [4, 3] },
    encoding: { x: { field: "length", type: "quantitative" } },
  };
  return framed(title, { width: WIDTH, height: 180, layer: [bars, ...(isNear ? [limit] : [])] });
}

/** The histogram where no chart can be drawn. */
export function plainLengths(title: string, { histogram }: DataReport): string {
  const most = Math.max(...histogram.map(({ rows }) => rows));
  const width = String(histogram.at(-1)?.to ?? 0).length;
  const lines = histogram.map(({ from, to, rows }) => {
    const bar = "█".repeat(Math.ceil((40 * rows) / most));
    return `${String(from).padStart(width)}–${String(to - 1).padEnd(width)} ${bar} ${grouped(rows)}`.trimEnd();
  });
  return [`${title}: rows by tokens`, ...lines].join("\n");
}

export function dataTable({ rows, duplicates, lengths, learnt, cut, limits }: DataReport): Table {
  const share = (100 * learnt) / Math.max(1, lengths.total - cut.tokens);
  const lost = [
    ...(cut.answers === 0 ? [] : [`${plural(cut.answers, "answer")} would lose the end`]),
    ...(cut.prompts === 0 ? [] : [`${plural(cut.prompts, "prompt")} the start`]),
  ].join(", ");
  return {
    columns: [{ title: "what" }, { title: "how much", whole: true }],
    rows: [
      ["rows", grouped(rows)],
      ["the same as an earlier one", grouped(duplicates)],
      ["tokens in all", grouped(lengths.total)],
      [
        "tokens a row",
        `${lengths.least} to ${lengths.most}; half up to ${lengths.median}, 95% up to ${lengths.p95}; mean ${lengths.mean.toFixed(1)}`,
      ],
      ["tokens that are learnt", `${grouped(learnt)} (${share.toFixed(1)}%)`],
      [
        `cut at ${limits.maxLength} tokens${limits.maxPromptLength ? `, prompts at ${limits.maxPromptLength}` : ""}`,
        cut.rows === 0 ? "nothing" : `${plural(cut.rows, "row")}, ${plural(cut.tokens, "token")}: ${lost}`,
      ],
    ],
  };
}

const LEARNT = "background:#c8e6c9;color:#1b5e20";

/** Rows as the model reads them: what is learnt is green, or in «» where there is no colour. */
export function renderExamples(examples: readonly LabelledRow[]): MimeBundle {
  const html = examples.map(({ ids, pieces }, i) => {
    const said = pieces.map(({ text, learnt }) =>
      learnt ? `<span style="${LEARNT}">${escapeHtml(text)}</span>` : escapeHtml(text),
    );
    const head = `<div style="opacity:0.7">${headOf(examples[i] as LabelledRow, i, ids.length)}</div>`;
    return `${head}<div style="white-space:pre-wrap;font-family:monospace;margin-bottom:8px">${said.join("")}</div>`;
  });
  const plain = examples.map((example, i) => {
    const said = example.pieces.map(({ text, learnt }) => (learnt ? `«${text}»` : text));
    return `${headOf(example, i, example.ids.length)}\n${said.join("")}`;
  });
  const key = `What is learnt is <span style="${LEARNT}">green</span>; the rest is read.`;
  return {
    "text/html": `<div><div>${key}</div>${html.join("")}</div>`,
    "text/plain": ["What is learnt stands in «»; the rest is read.", ...plain].join("\n"),
  };
}

function headOf({ labels }: LabelledRow, index: number, tokens: number): string {
  const learnt = labels.filter((label) => label !== -100).length;
  return `row ${index + 1}: ${plural(tokens, "token")}, ${learnt} of them learnt`;
}
