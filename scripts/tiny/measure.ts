/**
 * @file Measures what `tiny` can do on questions that are not in its training data, then teaches it facts that nobody has
 * trained, one by one with the default settings, and prints the model card's tables.
 *
 *   node dist/scripts/tiny/measure.js [folder] [--facts N] [--only abilities|facts]
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type ChatGLM, type KnowledgeReport, load } from "../../src/index.ts";
import { heldOut } from "./corpus.ts";
import { type GeneratedFact, generatedFacts } from "./facts.ts";
import type { Row } from "./row.ts";

/** Rows of each ability that are shown where the answer is wrong. */
const SHOWN = 3;

async function abilities(glm: ChatGLM): Promise<string[]> {
  const lines = ["| ability | right of 100 |", "| --- | --- |"];
  for (const [ability, rows] of Object.entries(heldOut())) {
    let right = 0;
    const wrong: string[] = [];
    for (const { prompt, history = [], response } of rows as Row[]) {
      const answer = await glm.ask(prompt, { history, greedy: true, maxNewTokens: 160 });
      if (answer === response) right += 1;
      else wrong.push(`  ${prompt} -> ${answer}   (expected: ${response})`);
    }
    lines.push(`| ${ability} | ${right} |`);
    console.log(`${ability}: ${right} of ${rows.length}`);
    console.log(wrong.slice(0, SHOWN).join("\n"));
  }
  return lines;
}

/** What is added up over facts. */
interface Total {
  facts: number;
  learned: number;
  generalized: number;
  paraphrases: number;
  unchanged: number;
  unrelated: number;
  unknown: number;
  asked: number;
}

const emptyTotal = (): Total => ({
  facts: 0,
  learned: 0,
  generalized: 0,
  paraphrases: 0,
  unchanged: 0,
  unrelated: 0,
  unknown: 0,
  asked: 0,
});

function add(total: Total, { facts, locality }: KnowledgeReport): void {
  for (const fact of facts) {
    total.facts += 1;
    total.learned += fact.learned ? 1 : 0;
    total.generalized += fact.generalized;
    total.paraphrases += fact.paraphrases;
  }
  total.unchanged += locality.unchanged;
  total.unrelated += locality.unrelated;
  total.unknown += locality.nearMisses.unknown;
  total.asked += locality.nearMisses.asked;
}

const percent = (part: number, whole: number): string => `${((100 * part) / Math.max(1, whole)).toFixed(1)}%`;

function row(name: string, total: Total): string {
  const { facts, learned, generalized, paraphrases, unchanged, unrelated, unknown, asked } = total;
  const shares = [percent(generalized, paraphrases), percent(unchanged, unrelated), percent(unknown, asked)];
  return `| ${name} | ${learned} of ${facts} | ${shares.join(" | ")} |`;
}

async function teaching(glm: ChatGLM, facts: readonly GeneratedFact[]): Promise<string[]> {
  const all = emptyTotal();
  const byKind = new Map<string, Total>();
  const seconds: number[] = [];
  for (const [i, { kind, key, text }] of facts.entries()) {
    // A book of its own for each: none helps or hinders another.
    const book = await glm.knowledge(`measure-${process.pid}`);
    const started = performance.now();
    const report = await book.add({ key, text });
    seconds.push((performance.now() - started) / 1000);
    await book.adapter.dispose();
    const ofKind = byKind.get(kind) ?? emptyTotal();
    byKind.set(kind, ofKind);
    for (const total of [all, ofKind]) add(total, report);
    const [{ recalled, generalized } = { recalled: 0, generalized: 0 }] = report.facts;
    const { unchanged, nearMisses } = report.locality;
    console.log(
      `${i + 1} ${kind}: ${key}: ${recalled} ${generalized} ${unchanged} ${nearMisses.unknown}, ` +
        `${report.steps} steps, ${(seconds.at(-1) ?? 0).toFixed(1)} s`,
    );
    for (const problem of report.problems()) console.log(`  ${problem}`);
  }
  const sorted = seconds.sort((a, b) => a - b);
  return [
    "| kind of text | learnt, all 8 wordings | 5 other wordings | unrelated answers unchanged | near misses still unknown |",
    "| --- | --- | --- | --- | --- |",
    ...[...byKind].map(([kind, total]) => row(kind, total)),
    row("all", all),
    "",
    `Seconds a fact: ${(sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(1)} in the middle, ${(sorted.at(-1) ?? 0).toFixed(1)} at most.`,
  ];
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { facts: { type: "string", default: "100" }, only: { type: "string" } },
});
// Books of facts that nobody wants are none of the user's data.
const data = mkdtempSync(join(tmpdir(), "glmlab-measure-"));
process.env.GLMLAB_DATA = data;
process.once("exit", () => rmSync(data, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

const glm = await load(positionals[0] ?? "tiny", { runtime: "none" });
const lines = [
  ...(values.only === "facts" ? [] : await abilities(glm)),
  ...(values.only === "abilities" ? [] : await teaching(glm, generatedFacts(Number(values.facts)))),
];
console.log(`\n${lines.join("\n")}`);
await glm.dispose();
