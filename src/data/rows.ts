/** @file Reading training rows: the shapes that published data sets have, one report for everything that is wrong. */

import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { FaultList, faultLines } from "../fault-list.ts";
import { readJson } from "../json-lines.ts";
import { halfFaults } from "../text-encoding.ts";
import { type ColumnMap, checkColumns, chosenColumns, withLists } from "./columns.ts";
import type { Fields } from "./keys.ts";
import type { Row, RowTurn } from "./row.ts";
import { readRow, type ShapeRules } from "./row-shapes.ts";

/** A turn of a conversation. ShareGPT's {from, value} is understood too. */
export type Turn =
  | RowTurn
  | { readonly from: "system" | "human" | "gpt" | "observation"; readonly value: string }
  /** A call of a tool and what it gave, as ChatGLM3's own data have it. */
  | {
      readonly role: "tool";
      readonly name: string;
      readonly parameters: Readonly<Record<string, unknown>>;
      readonly observation: unknown;
      readonly loss?: boolean;
    };

/** What a row may look like. `history` and `system` may stand beside the first four. */
export type RowInput =
  | Row
  | { readonly instruction: string; readonly input?: string; readonly output: string }
  | { readonly content: string; readonly summary: string }
  | { readonly context: string; readonly target: string }
  | { readonly messages: readonly Turn[]; readonly tools?: readonly unknown[] }
  | { readonly conversations: readonly Turn[]; readonly tools?: readonly unknown[] };

export interface RowRules {
  /** What the rows come from, for messages: "the data set", a file. */
  readonly subject?: string;
  /** Accepts prompts without an answer (as rows with an empty response) and bare strings as prompts. */
  readonly unanswered?: boolean;
  /**
   * Makes one row of a conversation, all of whose answers are learnt at once, as ChatGLM3's finetune_demo does. Without it, each
   * answer is a row of its own, with what came before as its history. Conversations with tools are always whole.
   */
  readonly whole?: boolean;
  /** Which column is what: { prompt: "query", response: "answer" }. No other is read then. */
  readonly columns?: ColumnMap;
}

/** A value with its place: "row 3", "line 7". */
export interface Placed {
  readonly place: string;
  readonly value: unknown;
}

/** Faults listed in one report: a wrong format makes every row wrong. */
const SHOWN = 10;

/**
 * Checks values and brings them into the one shape of rows, one after another; faults are collected, the first of them in words and
 * the others by number, and told together in the end.
 */
export class RowReader {
  readonly #rules: RowRules;
  readonly #shape: ShapeRules;
  readonly #faults = new FaultList(SHOWN);
  #rows = 0;

  /** @throws GlmError "option-invalid" for columns that rows have not */
  constructor(rules: RowRules) {
    checkColumns(rules.columns);
    this.#rules = rules;
    this.#shape = { unanswered: rules.unanswered ?? false, whole: rules.whole ?? false };
  }

  /** The rows that a value stands for; none when it has a fault. */
  read({ place, value }: Placed): Row[] {
    const fault = (text: string): void => this.fault(`${place}: ${text}`);
    const { columns } = this.#rules;
    const isRecord = typeof value === "object" && value !== null && !Array.isArray(value);
    const chosen = columns && isRecord ? chosenColumns(value as Fields, columns, fault) : value;
    if (chosen === undefined) return [];
    const read = readRow(isRecord ? withLists(chosen as Fields) : chosen, this.#shape, fault);
    for (const row of read) for (const half of halves(row)) fault(half);
    this.#rows += read.length;
    return read;
  }

  fault(text: string): void {
    this.#faults.add(text);
  }

  /** @throws GlmError "data-invalid" with what was wrong, or when there was no row */
  end(): void {
    if (this.#faults.count > 0) throw invalid(this.#rules, String(this.#faults));
    if (this.#rows > 0) return;
    throw new GlmError(
      "data-invalid",
      `${this.#rules.subject ?? "The data set"} is empty: expected at least one row such as {"prompt": "...", "response": "..."}.`,
    );
  }
}

/**
 * Checks rows and brings them into one shape. A conversation of several rounds becomes one row for each answer, with
 * what came before as its history, so that every answer is learned; one with tools is one row.
 * @throws GlmError "data-invalid" with every row that cannot be used
 */
export function toRows(values: readonly unknown[], rules: RowRules = {}): Row[] {
  return readPlaced(
    values.map((value, i) => ({ place: `row ${i + 1}`, value })),
    [],
    rules,
  );
}

/**
 * Reads rows from text: a JSON array, one JSON object, or JSON lines.
 * @throws GlmError "data-invalid" with every row that cannot be used
 */
export function parseRows(text: string, rules: RowRules = {}): Row[] {
  if (typeof text !== "string") throw invalid(rules, faultLines([`expected text, got ${shownJson(text)}`]));
  const read = readJson(text);
  if (read.form === "broken") throw invalid(rules, faultLines([read.why]));
  if (read.form === "json") {
    return toRows(
      read.values.map(({ value }) => value),
      rules,
    );
  }
  const faults = read.faults.map(
    ({ line, text: written, why }) => `line ${line}: expected a JSON object, got ${shownJson(written)} (${why})`,
  );
  const placed = read.values.map(({ value, line }) => ({ place: `line ${line}`, value }));
  return readPlaced(placed, faults, rules);
}

function readPlaced(placed: readonly Placed[], faults: readonly string[], rules: RowRules): Row[] {
  const reader = new RowReader(rules);
  for (const fault of faults) reader.fault(fault);
  const rows = placed.flatMap((one) => reader.read(one));
  reader.end();
  return rows;
}

/** Halves of characters in a row. */
function halves({ prompt, response, system, history = [], turns = [] }: Row): string[] {
  const said = [...history.flat(), ...turns.map(({ content }) => content)];
  return halfFaults({ prompt, response, system, history: said.join("\n") });
}

function invalid({ subject = "The data set" }: RowRules, faults: string): GlmError {
  return new GlmError("data-invalid", `${subject} cannot be used; correct or remove these rows:${faults}`);
}
