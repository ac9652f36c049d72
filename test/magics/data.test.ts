/** @file %data and glm.data: numbers that are counted here by other means, cuts, what is learnt, files in %%train. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import * as magics from "../../magics/runtime.ts";
import { withAmbient } from "../../src/ambient.ts";
import { type ChatGLM, dataset } from "../../src/index.ts";
import { ownHome } from "../home.ts";
import { writeSmallModel } from "../small-model.ts";
import { Notebook } from "./notebook.ts";

const scratch = ownHome();
const at = (name: string): string => join(scratch, name);
let glm: ChatGLM;
let notebook = new Notebook();
const cell = <T>(body: () => T): T => withAmbient({ frontend: notebook, notebook: "test.ipynb" }, body);

beforeAll(async () => {
  await writeSmallModel(at("small"));
  glm = await cell(() => magics.model(at("small"), { runtime: "none", device: "cpu" }));
});
afterAll(() => glm.dispose());
beforeEach(() => {
  notebook = new Notebook();
});

const rows = Array.from({ length: 600 }, (_, i) => ({
  prompt: "问".repeat(1 + (i % 5)),
  response: i === 599 ? "长".repeat(60) : `答${i % 300}`,
}));
const lengthOf = ({ prompt, response }: (typeof rows)[number]): number =>
  glm.prompt([{ role: "user", content: prompt }]).length + glm.tokenizer.encodePlain(response).length + 1;

it("counts rows, tokens, duplicates and cuts", async () => {
  writeFileSync(at("rows.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  const report = await glm.data(at("rows.jsonl"), { maxLength: 40, examples: 2 });
  const lengths = rows.map(lengthOf);
  const sorted = [...lengths].sort((a, b) => a - b);
  const distinct = new Set(rows.map(({ prompt, response }) => `${prompt}|${response}`)).size;
  const total = lengths.reduce((sum, length) => sum + length, 0);
  expect(report).toMatchObject({
    rows: 600,
    duplicates: 600 - distinct,
    lengths: { least: sorted[0], median: sorted[300], p95: sorted[570], most: sorted.at(-1), total },
    cut: { rows: 1, answers: 1, prompts: 1 },
  });
  const [last = 0] = lengths.slice(-1);
  expect(last - report.cut.tokens).toBeLessThanOrEqual(40);
  expect(report.histogram.reduce((sum, bar) => sum + bar.rows, 0)).toBe(600);
  for (const { from, to, rows: count } of report.histogram) {
    expect(lengths.filter((length) => length >= from && length < to)).toHaveLength(count);
  }
  const answered = rows.slice(0, -1).map(({ response }) => glm.tokenizer.encodePlain(response).length + 1);
  // Of the last one's prompt only the marks are left.
  const ofLast = last - report.cut.tokens - 3;
  expect(report.learnt).toBe(answered.reduce((sum, length) => sum + length, 0) + ofLast);
  expect(report.examples.map(({ pieces }) => pieces)).toEqual([
    [
      { text: "[gMASK]sop[Round 1]\n\n问：问\n\n答：", learnt: false },
      { text: "答0eos", learnt: true },
    ],
    [
      { text: "[gMASK]sop[Round 1]\n\n问：问问\n\n答：", learnt: false },
      { text: "答1eos", learnt: true },
    ],
  ]);
  expect(await glm.data(dataset(rows), { maxLength: 40, examples: 2 })).toEqual(report);
});

it("tells of rows by their number, however far they are", async () => {
  const data = [...rows, { prompt: "q", response: "龘龘龘" }];
  await expect(glm.data(data, { maxLength: 6 })).rejects.toThrow(/row 601 .*room for one character/s);
  await expect(glm.data([], {})).rejects.toThrow(/empty/);
  await expect(glm.data(rows, { maxLenght: 6 } as object)).rejects.toThrow(/Did you mean maxLength/);
  const turns = [
    {
      messages: [
        { role: "user" as const, content: "q" },
        { role: "assistant" as const, content: "a" },
      ],
    },
  ];
  await expect(glm.data([...rows, ...turns], { whole: true })).rejects.toThrow(
    /- row 601 \("q"\): .*messages have roles/,
  );
});

it("%data shows a chart, a table and what is learnt in colour", async () => {
  writeFileSync(at("query.csv"), `query,answer,score\n${"问,<b>答</b>,5\n".repeat(3)}`);
  const columns = { prompt: "query", response: "answer" };
  const report = await cell(() => magics.data(at("query.csv"), { columns, examples: 1, maxLength: 20 }));
  const [chart, table, examples] = notebook.seen;
  expect(chart?.["application/vnd.vegalite.v5+json"]).toMatchObject({
    layer: [{ data: { values: report.histogram } }, {}],
  });
  expect(chart?.["image/svg+xml"]).toMatch(/^<svg/);
  expect(chart?.["text/plain"]).toMatch(/query\.csv: rows by tokens\n.*█+ 3$/);
  expect(table?.["text/plain"]).toMatch(/rows +3\n.*the same as an earlier one +2\n/);
  expect(table?.["text/plain"]).toMatch(
    /cut at 20 tokens +3 rows, \d+ tokens: 3 prompts the start|cut at 20 tokens +3 rows/,
  );
  expect(examples?.["text/html"]).toContain("&lt;b&gt;");
  expect(examples?.["text/plain"]).toMatch(
    /What is learnt stands in «».*\nrow 1: \d+ tokens, \d+ of them learnt\n.*«.*eos»$/s,
  );
  expect(notebook.text("stderr")).toContain("Rows that are twice weigh twice");
});

it("%%train takes tables, and says what of them is missing", async () => {
  const columns = { prompt: "query", response: "answer" };
  const read = await cell(() => magics.loadDataset(at("query.csv"), { columns }));
  const result = await cell(() => magics.train("tabled", read, { epochs: 1, batchSize: 2, check: false }));
  expect(result.steps).toBe(2);
  await expect(cell(() => magics.loadDataset(at("query.csv")))).rejects.toThrow(
    /--columns prompt=query,response=answer/,
  );
});
