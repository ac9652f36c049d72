/** @file Rows of a data set: what they are, how they are divided and put in batches. Reading them is in rows.ts. */

import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { choice, complete, type OptionRules, whole } from "../options.ts";
import { randomStream, shuffled } from "../random.ts";
import type { Row } from "./row.ts";
import { type RowInput, toRows } from "./rows.ts";

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

/** Checked rows. */
export interface Dataset {
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
export function dataset(rows: readonly RowInput[]): Dataset {
  if (!Array.isArray(rows)) {
    throw new GlmError(
      "data-invalid",
      `dataset: expected a list of rows such as [{ prompt, response }], got ${typeof rows}. Put a single row in brackets.`,
    );
  }
  return fromRows(toRows(rows));
}

/** A data set of rows that have been checked. */
export function fromRows(rows: readonly Row[]): Dataset {
  return {
    rows,
    split(fraction, seed = 0) {
      const count = typeof fraction === "number" ? Math.round(rows.length * fraction) : Number.NaN;
      if (!(count >= 1 && count < rows.length)) {
        throw new GlmError(
          "option-invalid",
          `split: expected a fraction that leaves at least one of ${rows.length} rows in both parts, got ${shownJson(fraction)}. A usual one is 0.1.`,
        );
      }
      const indices = shuffled(randomStream(seed, "split"), [...rows.keys()]);
      const held = new Set(indices.slice(0, count));
      return {
        train: fromRows(rows.filter((_, i) => !held.has(i))),
        validation: fromRows(rows.filter((_, i) => held.has(i))),
      };
    },
    *batches(options) {
      const { size, epochs, shuffle, seed } = complete("batches", rules, options);
      let step = 0;
      for (let epoch = 1; epoch <= epochs; epoch++) {
        const order = shuffle ? shuffled(randomStream(seed, "order", epoch), rows) : rows;
        for (let at = 0; at < order.length; at += size) yield { rows: order.slice(at, at + size), epoch, step: ++step };
      }
    },
  };
}

const rules: OptionRules<Required<BatchOptions>> = {
  // Has to be given: how many rows a step sees is no detail.
  size: { ...whole(1, { min: 1 }), default: undefined as never },
  epochs: whole(1, { min: 1 }),
  shuffle: choice(true, [true, false]),
  seed: whole(0, {}),
};
