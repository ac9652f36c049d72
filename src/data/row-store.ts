/** @file Many rows, read in any order, wherever they lie: in memory, or in a file (row-file.ts). */
import type { Row } from "./row.ts";

/** A file of checked rows as `Row`s, a line each. */
export interface RowFile {
  readonly path: string;
  /** Lines. */
  readonly rows: number;
  /** Which lines are meant, from 0; all when it is left out. */
  readonly only?: Uint32Array;
}

export interface RowStore {
  readonly length: number;
  at(index: number): Row;
  /** Where they are read from, of rows that are not in memory. */
  readonly file?: RowFile;
}

/** Rows on their way to another thread or process of this machine: themselves, or where they are. */
export type SentRows = readonly Row[] | RowFile;

export const inMemory = (rows: readonly Row[]): RowStore => ({
  length: rows.length,
  at: (index) => rows[index] as Row,
});

/** Some rows of others, in their order there. */
export function part(store: RowStore, indices: Uint32Array): RowStore {
  const { file } = store;
  return {
    length: indices.length,
    at: (index) => store.at(indices[index] as number),
    ...(file
      ? { file: { ...file, only: file.only ? indices.map((index) => file.only?.[index] as number) : indices } }
      : {}),
  };
}

/** All of them, in memory. */
export const allRows = (store: RowStore): readonly Row[] =>
  Array.from({ length: store.length }, (_, index) => store.at(index));

export const toSend = (store: RowStore): SentRows => store.file ?? allRows(store);
