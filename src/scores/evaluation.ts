/** @file What an evaluation came to: a number for each score and adapter, all answers, and a table that shows itself. */
import type { MimeBundle } from "../ambient.ts";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { plural } from "../plural.ts";
import { quoted } from "../text-cut.ts";
import { type Answered, mean, type Score, type Scored } from "./score.ts";

/** Answers that are shown as changed; all are in the data. */
const SHOWN = 10;

/** One who answered: an adapter's name, or null for the base. */
export type Answerer = string | null;

export interface EvaluatedAnswer {
  readonly adapter: Answerer;
  readonly answer: string;
  /** False when it was cut at the most tokens that were allowed. */
  readonly complete: boolean;
  /** By score's name; NaN where a function of one's own gave no number. */
  readonly scores: Readonly<Record<string, number>>;
}

export interface EvaluatedRow {
  readonly prompt: string;
  /** What the answer was to be. */
  readonly reference: string;
  /** What it belongs to, where rows are in groups. */
  readonly group?: string;
  /** In the adapters' order. */
  readonly answers: readonly EvaluatedAnswer[];
}

/** A line of the table. */
export interface Totals {
  readonly adapter: Answerer;
  /** Absent for all rows. */
  readonly group?: string;
  readonly rows: number;
  readonly scores: Readonly<Record<string, number>>;
  /** Answers that are other than those of the first who answered. */
  readonly changed: number;
  /** Answers that were cut. */
  readonly cut: number;
}

export interface ScoreInfo {
  readonly name: string;
  /** "share": from 0 to 1. */
  readonly unit: Score["unit"];
}

export interface EvaluationData {
  readonly scores: readonly ScoreInfo[];
  readonly adapters: readonly Answerer[];
  readonly totals: readonly Totals[];
  readonly rows: readonly EvaluatedRow[];
  readonly seconds: number;
  /** What went wrong and did not end it. */
  readonly problems: readonly string[];
}

/** What is evaluated: rows with an answer for each adapter. */
export interface Asked {
  readonly prompt: string;
  readonly reference: string;
  readonly group?: string;
  readonly answers: readonly (Pick<Answered, "answer" | "loss"> & { readonly complete: boolean })[];
}

/**
 * Scores answers.
 * @param own values of functions of one's own, which come from outside: by score's name, then [adapter][row]
 */
export function evaluated(
  asked: readonly Asked[],
  adapters: readonly Answerer[],
  scores: readonly Score[],
  {
    seconds,
    problems,
    own = {},
  }: {
    readonly seconds: number;
    readonly problems: readonly string[];
    readonly own?: Readonly<Record<string, readonly (readonly number[])[]>>;
  },
): EvaluationData {
  const groups = [...new Set(asked.flatMap(({ group }) => group ?? []))];
  const answered = adapters.map((_, place) =>
    asked.map(({ prompt, reference, answers }): Answered => {
      const { answer = "", loss } = answers[place] ?? {};
      return { prompt, reference, answer, loss };
    }),
  );
  const values = (score: Score, place: number, rows: readonly number[]): Scored => {
    const given = own[score.name]?.[place];
    if (!given) return score.score(rows.map((row) => (answered[place] as Answered[])[row] as Answered));
    const chosen = rows.map((row) => given[row] ?? Number.NaN);
    return { values: chosen, total: mean(chosen) };
  };
  const all = [...asked.keys()];
  const byRow = adapters.map((_, place) => scores.map((score) => values(score, place, all).values));
  const totals = adapters.flatMap((adapter, place) =>
    [undefined, ...groups].map((group): Totals => {
      const rows = all.filter((row) => group === undefined || asked[row]?.group === group);
      const of = (row: number, at = place) => asked[row]?.answers[at];
      return {
        adapter,
        ...(group === undefined ? {} : { group }),
        rows: rows.length,
        scores: Object.fromEntries(scores.map((score) => [score.name, values(score, place, rows).total])),
        changed: rows.filter((row) => of(row)?.answer !== of(row, 0)?.answer).length,
        cut: rows.filter((row) => of(row)?.complete === false).length,
      };
    }),
  );
  return {
    scores: scores.map(({ name, unit }) => ({ name, unit })),
    adapters,
    totals,
    rows: asked.map(({ prompt, reference, group, answers }, row) => ({
      prompt,
      reference,
      ...(group === undefined ? {} : { group }),
      answers: adapters.map((adapter, place) => ({
        adapter,
        answer: answers[place]?.answer ?? "",
        complete: answers[place]?.complete ?? false,
        scores: Object.fromEntries(scores.map(({ name }, at) => [name, byRow[place]?.[at]?.[row] ?? Number.NaN])),
      })),
    })),
    seconds,
    problems,
  };
}

/** Shows itself in words, whether it is a cell's value, printed or put in a string. `JSON.stringify` has all of it. */
export class Evaluation implements EvaluationData {
  readonly scores: EvaluationData["scores"];
  readonly adapters: EvaluationData["adapters"];
  readonly totals: EvaluationData["totals"];
  readonly rows: EvaluationData["rows"];
  readonly seconds: number;
  readonly problems: readonly string[];

  constructor(data: EvaluationData) {
    this.scores = data.scores;
    this.adapters = data.adapters;
    this.totals = data.totals;
    this.rows = data.rows;
    this.seconds = data.seconds;
    this.problems = data.problems;
  }

  /**
   * A score of all rows, or of a group; NaN where it has no value, as of rows without an answer.
   * @param adapter null is the base
   * @throws GlmError "option-invalid" for a score, an adapter or a group that was not evaluated
   */
  score(name: string, adapter: Answerer, group?: string): number {
    const all = <T>(what: (total: Totals) => T): T[] => [...new Set(this.totals.map(what))];
    const mustBe = <T>(what: string, given: T, known: readonly T[]): void => {
      if (known.includes(given)) return;
      const shown = known.map((one) => (one === undefined ? "none" : shownJson(one))).join(", ");
      throw new GlmError("option-invalid", `score: ${what}: expected one of ${shown}, got ${shownJson(given)}.`);
    };
    mustBe(
      "name",
      name,
      this.scores.map((score) => score.name),
    );
    mustBe(
      "adapter",
      adapter,
      all((total) => total.adapter),
    );
    mustBe(
      "group",
      group,
      all((total) => total.group),
    );
    return this.totals.find((one) => one.adapter === adapter && one.group === group)?.scores[name] ?? Number.NaN;
  }

  /** Rows that are not answered alike by all. */
  changed(): readonly EvaluatedRow[] {
    return this.rows.filter(({ answers }) => answers.some(({ answer }) => answer !== answers[0]?.answer));
  }

  toJSON(): EvaluationData {
    const { scores, adapters, totals, rows, seconds, problems } = this;
    return { scores, adapters, totals, rows, seconds, problems };
  }

  toString(): string {
    const changed = this.changed();
    const more = changed.length - SHOWN;
    // Where the first's answers are the references, they would stand there twice.
    const isReferred = changed.some(({ reference, answers }) => reference !== answers[0]?.answer);
    return [
      ...this.problems,
      ...aligned(this.#table()),
      ...changed
        .slice(0, SHOWN)
        .flatMap(({ prompt, reference, answers }) => [
          `${quoted(prompt)}${isReferred ? `, reference ${quoted(reference)}` : ""}`,
          ...answers.map(({ adapter, answer }) => `  ${adapter ?? "base"}: ${quoted(answer)}`),
        ]),
      ...(more > 0 ? [`and ${plural(more, "more row")} that are not answered alike`] : []),
    ].join("\n");
  }

  #table(): string[][] {
    const head = ["", "rows", ...this.scores.map(({ name }) => name), ...(this.adapters.length > 1 ? ["changed"] : [])];
    const lines = this.totals.map(({ adapter, group, rows, scores, changed }) => [
      `${adapter ?? "base"}${group === undefined ? "" : `, ${group}`}`,
      String(rows),
      ...this.scores.map(({ name, unit }) => scoreText(scores[name] ?? Number.NaN, unit)),
      ...(this.adapters.length > 1 ? [String(changed)] : []),
    ]);
    return [head, ...lines];
  }
}

/** Shares in percent, as the field prints them. */
export function scoreText(value: number, unit: Score["unit"]): string {
  if (Number.isNaN(value)) return "none";
  return unit === "share" ? `${(100 * value).toFixed(2)}%` : String(Number(value.toPrecision(4)));
}

/** Columns of numbers set right; the first is names. */
function aligned(table: readonly (readonly string[])[]): string[] {
  const widths = (table[0] ?? []).map((_, at) => Math.max(...table.map((line) => line[at]?.length ?? 0)));
  return table.map((line) =>
    line.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  "),
  );
}

// Set apart from the class: declarations cannot name these symbols.
Object.defineProperties(Evaluation.prototype, {
  [Symbol.for("Jupyter.display")]: {
    value(this: Evaluation): MimeBundle {
      return { "text/plain": this.toString() };
    },
  },
  [Symbol.for("nodejs.util.inspect.custom")]: {
    value(this: Evaluation): string {
      return this.toString();
    },
  },
});
