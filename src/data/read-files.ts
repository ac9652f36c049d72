/** @file Rows of files as a stream: found, looked into, read row by row, checked. */

import { GlmError } from "../errors.ts";
import { csvRecords } from "./csv-records.ts";
import { kindOf } from "./file-kind.ts";
import { type Found, jsonRecords } from "./json-records.ts";
import { parquetRecords } from "./parquet-records.ts";
import type { Row } from "./row.ts";
import { RowReader, type RowRules } from "./rows.ts";
import { dataFiles } from "./sources.ts";
import { textPieces } from "./text-pieces.ts";

export type FileRules = Omit<RowRules, "subject">;

/** How far reading has come. */
export interface ReadingProgress {
  /** Rows so far. */
  readonly rows: number;
  /** The file that is being read. */
  readonly file: string;
}

export interface StreamRules extends FileRules {
  /** Stops at once. */
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: ReadingProgress) => void) | undefined;
}

/** Rows between two reports. */
const REPORT = 1024;

/**
 * The rows of a file, of the data in a folder, or of what a glob finds, one after another: none is held.
 * @throws GlmError "data-invalid" in the end with every row that cannot be used, at once for a file that is no data
 */
export async function* streamRows(path: string, rules: StreamRules = {}): AsyncGenerator<Row, void, void> {
  const { signal, onProgress, ...rest } = rules;
  const reader = new RowReader({ ...rest, subject: path });
  const files = await dataFiles(path, signal);
  let rows = 0;
  for (const file of files) {
    const name = files.length === 1 ? "" : `${file}, `;
    const { unit, records } = await opened(file);
    let seen = 0;
    for await (const found of records) {
      seen += 1;
      if (seen % REPORT === 0) {
        signal?.throwIfAborted();
        onProgress?.({ rows, file });
      }
      if ("fault" in found) reader.fault(name + found.fault);
      else {
        const line = `${unit} ${found.line}`;
        const place = found.item === undefined ? line : `row ${found.item} (${line})`;
        for (const row of reader.read({ place: `${name}${place}`, value: found.value })) {
          rows += 1;
          yield row;
        }
      }
    }
    onProgress?.({ rows, file });
  }
  reader.end();
}

/** Reads rows from files; see `streamRows`. All of them are held in memory: `loadDataset` keeps large files on the disk. */
export async function readRows(path: string, rules: FileRules = {}): Promise<Row[]> {
  const rows: Row[] = [];
  for await (const row of streamRows(path, rules)) rows.push(row);
  return rows;
}

async function opened(
  file: string,
): Promise<{ readonly unit: "line" | "row"; readonly records: AsyncIterable<Found> }> {
  try {
    const { form, gzip } = await kindOf(file);
    if (form === "parquet") return { unit: "row", records: parquetRecords(file) };
    const pieces = textPieces(file, gzip);
    return { unit: "line", records: form === "csv" ? csvRecords(file, pieces) : jsonRecords(pieces) };
  } catch (cause) {
    if (cause instanceof GlmError) throw cause;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GlmError(
      "data-invalid",
      `${file}: expected a file of training rows, but it cannot be read (${why}). Check the path.`,
    );
  }
}
