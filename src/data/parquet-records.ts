/** @file Parquet, a group of rows at a time. */
import type { FileHandle } from "node:fs/promises";
import { parquetMetadataAsync, parquetReadObjects } from "hyparquet";
import { compressors } from "hyparquet-compressors";
import { GlmError } from "../errors.ts";
import { openFile, readingOf } from "../regular-file.ts";
import type { Found } from "./json-records.ts";
import { broken } from "./refusal.ts";

/** @throws GlmError "data-invalid" for a damaged file; rows are counted from 1 as lines are */
export async function* parquetRecords(path: string): AsyncGenerator<Found, void, void> {
  const handle = await openFile(path);
  try {
    const { size } = await handle.stat();
    const file = { byteLength: size, slice: (from: number, to = size) => slice(handle, from, to) };
    const metadata = await parquetMetadataAsync(file);
    let row = 0;
    for (const group of metadata.row_groups) {
      const rowEnd = row + Number(group.num_rows);
      const records = await parquetReadObjects({ file, metadata, compressors, rowStart: row, rowEnd });
      for (const record of records) yield { value: plain(record), line: ++row };
      if (row !== rowEnd) throw new Error(`a group of ${group.num_rows} rows ends after ${row}`);
    }
  } catch (error) {
    if (error instanceof GlmError) throw error;
    throw broken(path, `${error instanceof Error ? error.message : error}. Is the file whole? Download it again.`);
  } finally {
    await handle.close();
  }
}

async function slice(handle: FileHandle, from: number, to: number): Promise<ArrayBuffer> {
  const start = from < 0 ? Math.max(0, (await handle.stat()).size + from) : from;
  const length = Math.max(0, to - start);
  const buffer = new ArrayBuffer(length);
  let got = 0;
  while (got < length) {
    const { bytesRead } = await readingOf(length, handle.read(new Uint8Array(buffer), got, length - got, start + got));
    if (bytesRead === 0) throw new Error("it ends too early");
    got += bytesRead;
  }
  return buffer;
}

/** Values as JSON has them: whole numbers of 64 bits and dates are others. */
function plain(value: unknown): unknown {
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  // Text without the mark that it is text.
  if (value instanceof Uint8Array) return Buffer.from(value).toString("utf8");
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).flatMap(([key, one]) => (one === undefined ? [] : [[key, plain(one)]])),
  );
}
