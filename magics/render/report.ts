/** @file What teaching came to, as tables: each fact, the sums, and every answer that is not as it should be. */
import type { MimeBundle } from "../../src/ambient.ts";
import type { Fact, FactReport, ReportData } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { shortened } from "../../src/text-cut.ts";
import { visible } from "./answer.ts";
import { renderTable, type Table } from "./table.ts";
import { figure } from "./text.ts";

/** Of more facts than this, only those are listed that are not known. */
const MOST_FACTS = 20;
/** Characters of a text in a list. */
const SHOWN = 40;

const right = "right" as const;

/** The tables of a report, those without rows left out. */
export function renderReport(report: ReportData): MimeBundle {
  const { changed, nearMisses } = report.locality;
  const tables: readonly Table[] = [
    factTable(report),
    sumTable(report),
    {
      caption: "Unrelated questions that are answered otherwise than by the base",
      columns: [{ title: "question" }, { title: "before" }, { title: "after" }],
      rows: changed.map(({ question, before, after }) => [question, visible(before), visible(after)]),
    },
    {
      caption: "Near misses that give a fact away",
      columns: [{ title: "question" }, { title: "answer" }],
      rows: nearMisses.given.map(({ question, answer }) => [question, visible(answer)]),
    },
    {
      caption: "Questions that deny a fact: shown, not scored",
      columns: [{ title: "question" }, { title: "answer" }],
      rows: report.denials.map(({ question, answer }) => [question, visible(answer)]),
    },
  ];
  return stacked(tables.filter(({ rows }) => rows.length > 0).map(renderTable));
}

/** The facts of a book. */
export function renderFacts(facts: readonly Fact[], book: string): MimeBundle {
  return renderTable({
    caption: `${book}: ${plural(facts.length, "fact")}`,
    columns: [
      { title: "fact" },
      { title: "text" },
      { title: "taught wordings", align: right },
      { title: "other wordings", align: right },
      { title: "learnt" },
    ],
    rows: facts.map(({ key, text, prompts, paraphrases, learned }) => [
      key,
      shortened(text, SHOWN),
      String(prompts.length),
      String(paraphrases.length),
      learned ? "yes" : "no",
    ]),
    empty: "No facts yet: %%knowledge add KEY, with the text below.",
  });
}

function factTable({ action, facts }: ReportData): Table {
  const done = action === "delete" ? "forgotten" : "learnt";
  const many = facts.length > MOST_FACTS;
  const known = facts.filter(({ learned }) => learned).length;
  const listed = many ? facts.filter(({ learned }) => !learned) : facts;
  const total = sumsOf(facts);
  return {
    ...(many
      ? {
          caption: `${known} of ${facts.length} facts are ${done}${known < facts.length ? "; those that are not:" : "."}`,
        }
      : {}),
    columns: [
      { title: "fact" },
      { title: action === "delete" ? "wordings forgotten" : "taught wordings", align: right },
      { title: "other wordings", align: right },
      { title: done },
    ],
    rows: [
      ...listed.map((fact) => [fact.key, taught(fact), others(fact), fact.learned ? "yes" : "no"]),
      ...(many ? [[`all ${facts.length}`, taught(total), others(total), `${known} of ${facts.length}`]] : []),
    ],
  };
}

type Sums = Pick<FactReport, "recalled" | "prompts" | "generalized" | "paraphrases">;

const taught = ({ recalled, prompts }: Sums): string => `${recalled} of ${prompts}`;
const others = ({ generalized, paraphrases }: Sums): string => `${generalized} of ${paraphrases}`;

function sumsOf(facts: readonly FactReport[]): Sums {
  const sum = (of: (fact: FactReport) => number): number => facts.reduce((total, fact) => total + of(fact), 0);
  return {
    recalled: sum((fact) => fact.recalled),
    prompts: sum((fact) => fact.prompts),
    generalized: sum((fact) => fact.generalized),
    paraphrases: sum((fact) => fact.paraphrases),
  };
}

function sumTable({ action, facts, locality, kept, outdated, base, steps, budget, loss, seconds }: ReportData): Table {
  const forgets = action === "delete";
  const wanted = forgets ? "get the base's own answer again" : "are answered exactly";
  const { unchanged, unrelated, nearMisses } = locality;
  const sums = sumsOf(facts);
  const trained = action !== "check";
  const rows: readonly (readonly [string, string, string] | false)[] = [
    facts.length > 0 && [forgets ? "forgotten" : "reliability", taught(sums), `taught wordings ${wanted}`],
    facts.length > 0 && [
      forgets ? "forgotten, others" : "generality",
      others(sums),
      `wordings that were never taught ${wanted}`,
    ],
    ["locality", `${unchanged} of ${unrelated}`, "unrelated answers are unchanged"],
    nearMisses.asked > 0 && [
      "near misses",
      `${nearMisses.unknown} of ${nearMisses.asked}`,
      "names near the keys are still unknown",
    ],
    kept.facts > 0 && ["known before", `${kept.recalled} of ${kept.facts}`, "facts that were known still are"],
    outdated > 0 && ["outdated", String(outdated), "wordings still get the text that was replaced"],
    [
      "without adapter",
      base.identical ? "identical" : "changed",
      base.identical ? "the base answers as before, bit for bit" : "the base does not answer as before",
    ],
    trained && ["steps", `${steps} of ${budget}`, "taken, of at most"],
    trained && Number.isFinite(loss) && ["loss", figure(loss), "nats per token, of the last step"],
    ["seconds", seconds.toFixed(1), trained ? "training and all questions" : "all questions"],
  ];
  return {
    columns: [{ title: "measure" }, { title: "result", align: right }, { title: "" }],
    rows: rows.filter((row) => row !== false),
  };
}

/** One below the other, in one display. */
function stacked(bundles: readonly MimeBundle[]): MimeBundle {
  const all = (mime: string): string[] => bundles.map((bundle) => String(bundle[mime] ?? ""));
  return { "text/plain": all("text/plain").join("\n\n"), "text/html": all("text/html").join("\n") };
}
