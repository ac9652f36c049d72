/** @file Data sets: rows in memory or on the disk, how they are divided and put in batches. Reading them is in rows.ts and read-files.ts. */

import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { choice, complete, type OptionRules, refuseUnknown, whole } from "../options.ts";
import { plural } from "../plural.ts";
import { randomStream, shuffledIndices } from "../random.ts";
import { type StreamRules, streamRows } from "./read-files.ts";
import type { Row } from "./row.ts";
import { storedRows } from "./row-file.ts";
import { allRows, inMemory, part, type RowStore } from "./row-store.ts";
import { type RowInput, type RowRules, toRows } from "./rows.ts";

/** How rows are read: which column is what, and whether conversations are one row each. */
export type DatasetRules = Pick<RowRules, "columns" | "whole">;

export interface LoadDatasetOptions extends DatasetRules, Pick<StreamRules, "signal" | "onProgress"> {}

export interface BatchOptions {
  /** Rows in a batch; the last one of an epoch may have fewer. */
  readonly size: number;
  /** How often every row is seen. 1 by default. */
  readonly epochs?: number;
  /** A new order in every epoch. On by default. */
  readonly shuffle?: boolean;
  /** The same seed gives the same orders. 0 by default. */
  readonly seed?: number;
}

/** Some rows of a data set, and where in the training they stand. */
export interface RowBatch {
  readonly rows: readonly Row[];
  /** From 1. */
  readonly epoch: number;
  /** Counts the batches of all epochs, from 1. */
  readonly step: number;
}

/** Checked rows, in memory or on the disk. */
export interface Dataset {
  /** How many rows there are. */
  readonly length: number;
  /** One of them, from 0. */
  at(index: number): Row;
  /** All of them, in memory. */
  readonly rows: readonly Row[];
  /**
   * Takes a share of the rows, chosen at random, for validation; both parts keep the rows' order.
   * @throws GlmError "option-invalid" when one part would be empty
   */
  split(fraction: number, seed?: number): { readonly train: Dataset; readonly validation: Dataset };
  /** All batches of all epochs. */
  batches(options: BatchOptions): Generator<RowBatch, void, void>;
}

/**
 * A data set of rows in memory.
 * @throws GlmError "data-invalid" with every row that cannot be used, or when there is none
 */
export function dataset(rows: readonly RowInput[], rules: DatasetRules = {}): Dataset {
  if (!Array.isArray(rows)) {
    throw new GlmError(
      "data-invalid",
      `dataset: expected a list of rows such as [{ prompt, response }], got ${typeof rows}. Put a single row in brackets.`,
    );
  }
  refuseUnknown("dataset", rules, ["columns", "whole"]);
  return fromRows(toRows(rows, rules));
}

/**
 * A data set of a file, of all data in a folder, or of what a glob finds: JSON, JSON lines, CSV or Parquet, also as .gz. Large ones
 * are not held in memory: their rows are kept in a file of the cache, and batches read theirs from there.
 * @throws GlmError "data-invalid" for a file that is no data, with every row that cannot be used, or when there is none
 */
export async function loadDataset(path: string, options: LoadDatasetOptions = {}): Promise<Dataset> {
  refuseUnknown("loadDataset", options, ["columns", "whole", "signal", "onProgress"]);
  return fromStore(await storedRows(streamRows(path, options)));
}

/** A data set of rows that have been checked. */
export const fromRows = (rows: readonly Row[]): Dataset => fromStore(inMemory(rows), rows);

/** A data set of rows that lie somewhere. */
function fromStore(store: RowStore, all?: readonly Row[]): Dataset {
  const data: Dataset = {
    length: store.length,
    at(index) {
      if (Number.isInteger(index) && index >= 0 && index < store.length) return store.at(index);
      throw new GlmError(
        "option-invalid",
        `at: expected a row from 0 to ${store.length - 1}, got ${shownJson(index)}. The data set has ${plural(store.length, "row")}.`,
      );
    },
    get rows() {
      return all ?? allRows(store);
    },
    split(fraction, seed = 0) {
      const count = typeof fraction === "number" ? Math.round(store.length * fraction) : Number.NaN;
      if (!(count >= 1 && count < store.length)) {
        throw new GlmError(
          "option-invalid",
          `split: expected a fraction that leaves at least one of ${store.length} rows in both parts, got ${shownJson(fraction)}. A usual one is 0.1.`,
        );
      }
      const indices = shuffledIndices(randomStream(seed, "split"), store.length);
      const some = (from: number, to: number): Dataset => fromStore(part(store, indices.slice(from, to).sort()));
      return { train: some(count, store.length), validation: some(0, count) };
    },
    *batches(options) {
      const { size, epochs, shuffle, seed } = complete("batches", rules, options);
      let step = 0;
      for (let epoch = 1; epoch <= epochs; epoch++) {
        const order = shuffle ? shuffledIndices(randomStream(seed, "order", epoch), store.length) : undefined;
        for (let at = 0; at < store.length; at += size) {
          const count = Math.min(size, store.length - at);
          const rows = Array.from({ length: count }, (_, i) => store.at(order?.[at + i] ?? at + i));
          yield { rows, epoch, step: ++step };
        }
      }
    },
  };
  stores.set(data, store);
  return data;
}

/** Where the rows of data sets lie that were made here. */
const stores = new WeakMap<Dataset, RowStore>();

export const storeOf = (data: Dataset): RowStore => stores.get(data) ?? inMemory(data.rows);

const rules: OptionRules<Required<BatchOptions>> = {
  // Has to be given: how many rows a step sees is no detail.
  size: { ...whole(1, { min: 1 }), default: undefined as never },
  epochs: whole(1, { min: 1 }),
  shuffle: choice(true, [true, false]),
  seed: whole(0, {}),
};
