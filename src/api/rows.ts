/** @file Rows as the API takes them: data sets, lists of rows, prompts to be answered, or a share to hold back. */

import { type Dataset, dataset, fromRows, type RowBatch, storeOf } from "../data/dataset.ts";
import type { Row } from "../data/row.ts";
import { holdRows, sendable } from "../data/row-file.ts";
import { inMemory, type RowStore, type SentRows, toSend } from "../data/row-store.ts";
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

/** Rows to train on, and to judge by; the latter may be none. */
export interface DividedRows {
  readonly train: RowStore;
  readonly validation: RowStore;
}

/** `validation` is a share of the rows, or rows of its own. */
export function divide(data: Rows, validation: Rows | number | undefined, seed: number): DividedRows {
  const all = asDataset(data);
  if (validation === undefined || validation === 0) return { train: storeOf(all), validation: inMemory([]) };
  if (typeof validation !== "number") return { train: storeOf(all), validation: storeOf(asDataset(validation)) };
  if (!(validation > 0 && validation < 1)) {
    throw invalid("fit", [`validation: expected rows, or a share of them from 0 to below 1, got ${validation}.`]);
  }
  const parts = all.split(validation, seed);
  return { train: storeOf(parts.train), validation: storeOf(parts.validation) };
}

/**
 * Rows on their way to the process that has the model: many are in files, which stay until they are released.
 * @throws GlmError "disk" when there is no room for them
 */
export async function sendRows({ train, validation }: DividedRows): Promise<{
  readonly sent: { readonly rows: SentRows; readonly validation: SentRows };
  readonly release: () => void;
}> {
  const stores = [await sendable(train), await sendable(validation)] as const;
  const release = holdRows(stores);
  return { sent: { rows: toSend(stores[0]), validation: toSend(stores[1]) }, release };
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
