/** @file Rows as the API takes them: data sets, lists of rows, prompts to be answered, or a share to hold back. */

import { type Dataset, dataset, fromRows, type RowBatch } from "../data/dataset.ts";
import type { Row } from "../data/row.ts";
import { type RowInput, toRows } from "../data/rows.ts";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { invalid } from "../options.ts";

/** Rows to train on. */
export type Rows = Dataset | readonly RowInput[];
/** Rows to rehearse: with answers, or prompts that the base model answers first. */
export type RehearsalRows = Dataset | readonly (RowInput | string)[];

/** @throws GlmError "data-invalid" with every row that cannot be used */
export function asDataset(data: Rows): Dataset {
  return isDataset(data) ? data : dataset(data);
}

/** Whatever else it is, `dataset` says what was expected. */
const isDataset = (data: Dataset | readonly unknown[]): data is Dataset =>
  typeof data === "object" && data !== null && "batches" in data;

/** The rows to train on and those to judge by; `validation` is a share of the former, or rows of its own. */
export function divide(
  data: Rows,
  validation: Rows | number | undefined,
  seed: number,
): { readonly train: readonly Row[]; readonly validation: readonly Row[] } {
  const all = asDataset(data);
  if (validation === undefined || validation === 0) return { train: all.rows, validation: [] };
  if (typeof validation !== "number") return { train: all.rows, validation: asDataset(validation).rows };
  if (!(validation > 0 && validation < 1)) {
    throw invalid("fit", [`validation: expected rows, or a share of them from 0 to below 1, got ${validation}.`]);
  }
  const parts = all.split(validation, seed);
  return { train: parts.train.rows, validation: parts.validation.rows };
}

export function rehearsal(rows: RehearsalRows | undefined): readonly Row[] {
  if (rows === undefined) return [];
  if (isDataset(rows)) return rows.rows;
  if (!Array.isArray(rows)) {
    throw invalid("rehearse", [`expected a data set or a list of rows or prompts, got ${shownJson(rows)}.`]);
  }
  return rows.length === 0 ? [] : toRows(rows, { subject: "rehearse", unanswered: true });
}

/** The rows of a batch, wherever they come from. */
export function batchRows(batch: RowBatch | Rows): readonly Row[] {
  if (typeof batch !== "object" || batch === null) {
    throw new GlmError(
      "data-invalid",
      `gradients: expected rows, a batch of a data set, or { inputIds, labels }, got ${shownJson(batch)}.`,
    );
  }
  if ("rows" in batch) return batch.rows;
  if (batch.length > 0) return fromRows(toRows(batch)).rows;
  throw new GlmError("data-invalid", "gradients: expected a batch with at least one row, got none.");
}
