/** @file An evaluation as tables: the scores, and the answers that are not alike. */
import type { MimeBundle } from "../../src/ambient.ts";
import type { Evaluation } from "../../src/index.ts";
import { plural } from "../../src/plural.ts";
import { scoreText } from "../../src/scores/evaluation.ts";
import { shortened } from "../../src/text-cut.ts";
import { visible } from "./answer.ts";
import { renderTable, type Table } from "./table.ts";
import { duration } from "./text.ts";

/** Rows that are shown; all are in the evaluation. */
const MOST_ROWS = 20;
/** Characters of a text in a list. */
const SHOWN = 200;

const right = "right" as const;
const nameOf = (adapter: string | null): string => adapter ?? "none (base model)";

export function renderEvaluation(evaluation: Evaluation): MimeBundle {
  const tables = [scoreTable(evaluation), ...answerTable(evaluation)].map(renderTable);
  return {
    "text/plain": tables.map((table) => table["text/plain"]).join("\n\n"),
    "text/html": tables.map((table) => table["text/html"]).join(""),
  };
}

function scoreTable({ scores, adapters, totals, rows, seconds }: Evaluation): Table {
  const [several, cut] = [adapters.length > 1, totals.some((one) => one.cut > 0)];
  return {
    caption: `${plural(rows.length, "row")}, answered in ${duration(seconds)}`,
    columns: [
      { title: "adapter", whole: true },
      { title: "rows", align: right },
      ...scores.map(({ name }) => ({ title: name, align: right })),
      ...(several ? [{ title: "changed", align: right }] : []),
      ...(cut ? [{ title: "cut short", align: right }] : []),
    ],
    rows: totals.map((one) => [
      one.group === undefined ? nameOf(one.adapter) : `  ${one.group}`,
      String(one.rows),
      ...scores.map(({ name, unit }) => scoreText(one.scores[name] ?? Number.NaN, unit)),
      ...(several ? [String(one.changed)] : []),
      ...(cut ? [String(one.cut)] : []),
    ]),
  };
}

/** None where all answer alike; of one who answers alone, what is not as it was to be. */
function answerTable(evaluation: Evaluation): Table[] {
  const { adapters, rows } = evaluation;
  const alone = adapters.length === 1;
  const wrong = rows.filter(({ reference, answers: [first] }) => first?.answer !== reference);
  const listed = alone ? wrong : evaluation.changed();
  if (listed.length === 0) return [];
  const what = alone ? "answered otherwise than the reference" : "not answered alike";
  const shown = listed.length > MOST_ROWS ? `, of which the first ${MOST_ROWS} are shown` : "";
  // Where the base's answers are the references, they would stand there twice.
  const referred = listed.some(({ reference, answers: [first] }) => reference !== first?.answer);
  return [
    {
      caption: `${plural(listed.length, "row")} ${what}${shown}`,
      columns: [
        { title: "prompt" },
        ...(referred ? [{ title: "reference" }] : []),
        ...adapters.map((adapter) => ({ title: nameOf(adapter) })),
      ],
      rows: listed
        .slice(0, MOST_ROWS)
        .map(({ prompt, reference, answers }) => [
          shortened(prompt, SHOWN),
          ...(referred ? [shortened(reference, SHOWN)] : []),
          ...answers.map(({ answer }) => shortened(visible(answer), SHOWN)),
        ]),
    },
  ];
}
