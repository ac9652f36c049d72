/** @file Reading training rows: the shapes that published data sets have, one report for everything that is wrong. */

import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { fileText, readJson } from "../json-lines.ts";
import { halfFaults } from "../text-encoding.ts";
import type { Row } from "./row.ts";
import { readRow } from "./row-shapes.ts";

/** A round of a conversation, or what came before it. ShareGPT's {from, value} is understood too. */
export interface Turn {
  readonly role: "system" | "user" | "assistant";
  readonly content: string;
}

/** What a row may look like. `history` and `system` may stand beside the first four. */
export type RowInput =
  | Row
  | { readonly instruction: string; readonly input?: string; readonly output: string }
  | { readonly content: string; readonly summary: string }
  | { readonly context: string; readonly target: string }
  | { readonly messages: readonly Turn[] }
  | { readonly conversations: readonly Turn[] };

export interface RowRules {
  /** What the rows come from, for messages: "the data set", a file. */
  readonly subject?: string;
  /** Accepts prompts without an answer (as rows with an empty response) and bare strings as prompts. */
  readonly unanswered?: boolean;
}

/** A value with its place: "row 3", "line 7". */
interface Placed {
  readonly place: string;
  readonly value: unknown;
}

/** Faults listed in one report: a wrong format makes every row wrong. */
const SHOWN = 10;

/**
 * Checks rows and brings them into one shape. A conversation of several rounds becomes one row for each answer, with
 * what came before as its history, so that every answer is learned.
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
  if (typeof text !== "string") throw invalid(rules, [`expected text, got ${shownJson(text)}`]);
  const read = readJson(text);
  if (read.form === "broken") throw invalid(rules, [read.why]);
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

/** Reads rows from a file of JSON or JSON lines. */
export async function readRows(path: string, rules: Omit<RowRules, "subject"> = {}): Promise<Row[]> {
  return parseRows(await fileText(path, "a file of training rows"), { ...rules, subject: path });
}

function readPlaced(placed: readonly Placed[], faults: string[], rules: RowRules): Row[] {
  const rows = placed.flatMap(({ place, value }) => {
    const fault = (text: string): number => faults.push(`${place}: ${text}`);
    const read = readRow(value, rules.unanswered ?? false, fault);
    for (const row of read) for (const half of halves(row)) fault(half);
    return read;
  });
  if (faults.length > 0) throw invalid(rules, faults);
  if (rows.length === 0) {
    throw new GlmError(
      "data-invalid",
      `${rules.subject ?? "The data set"} is empty: expected at least one row such as {"prompt": "...", "response": "..."}.`,
    );
  }
  return rows;
}

/** Halves of characters in a row. */
function halves({ prompt, response, system, history = [] }: Row): string[] {
  return halfFaults({ prompt, response, system, history: history.flat().join("\n") });
}

function invalid({ subject = "The data set" }: RowRules, faults: readonly string[]): GlmError {
  return new GlmError(
    "data-invalid",
    `${subject} cannot be used; correct or remove these rows:${faultLines(faults, SHOWN)}`,
  );
}
