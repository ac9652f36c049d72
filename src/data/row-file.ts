/**
 * @file Rows that are too many for memory: a file of JSON lines, from which each is read when it is asked for. It has a name for as
 * long as it is used, so that the process which has the model can open it, too.
 */
import { randomUUID } from "node:crypto";
import { closeSync, openSync, readdirSync, readSync, rmSync, statSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import { type FileToWrite, onDisk } from "../files.ts";
import { cacheFolder } from "../folders.ts";
import { lockHolder, takeLock } from "../lock.ts";
import type { Row } from "./row.ts";
import { inMemory, part, type RowStore, type SentRows } from "./row-store.ts";

/** Bytes of rows that are held in memory before the disk is used. */
const IN_MEMORY = 2 ** 25;
/** Bytes that are written, or looked through, at a time. */
const PIECE = 2 ** 22;
/** Milliseconds for which a folder may be without a lock: it is being made. */
const BEING_MADE = 60_000;
const NAME = "rows.jsonl";
const LINE_END = 0x0a;

/**
 * Takes all rows of a stream.
 * @param most bytes of rows that are held in memory; with more, all are on the disk
 * @throws GlmError "disk" when there is no room for them; whatever the stream throws
 */
export async function storedRows(rows: AsyncIterable<Row>, most: number = IN_MEMORY): Promise<RowStore> {
  const coming = rows[Symbol.asyncIterator]();
  const held: Row[] = [];
  for (let bytes = 0; bytes <= most; ) {
    const { done, value } = await coming.next();
    if (done) return inMemory(held);
    held.push(value);
    bytes += JSON.stringify(value).length;
  }
  return spooled(joined(held, coming));
}

/** What was taken of a stream already, and the rest of it. */
async function* joined(taken: Row[], rest: AsyncIterator<Row>): AsyncGenerator<Row, void, void> {
  try {
    yield* taken.splice(0);
    for (let next = await rest.next(); !next.done; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/**
 * Rows that a message can hold, or a file: many that are in memory are written to one.
 * @throws GlmError "disk" when there is no room for them
 */
export const sendable = (rows: RowStore): Promise<RowStore> | RowStore =>
  rows.file ? rows : storedRows(asStream(rows));

async function* asStream(rows: RowStore): AsyncGenerator<Row, void, void> {
  yield* each(rows);
}

/** Those whose files another process reads: nobody else may hold on to them meanwhile. */
const held = new Set<RowStore>();

/** Their files stay until what it returns is called. */
export function holdRows(rows: readonly RowStore[]): () => void {
  for (const one of rows) held.add(one);
  return () => {
    for (const one of rows) held.delete(one);
  };
}

/**
 * Rows that were sent by another process.
 * @throws GlmError "data-invalid" when their file is not, or no longer, what was said
 */
export async function receivedRows(given: SentRows): Promise<RowStore> {
  if (!("path" in given)) return inMemory(given);
  const { path, rows, only } = given;
  const store = await openRowFile(path);
  if (store.length === rows && only?.every((line) => line < rows) !== false) return only ? part(store, only) : store;
  throw new GlmError(
    "data-invalid",
    `${path}: expected a file of ${rows} rows, got ${store.length}. Load the data again.`,
  );
}

/**
 * The rows of a file, which may lose its name meanwhile.
 * @throws GlmError "data-invalid" when it cannot be read
 */
export async function openRowFile(path: string): Promise<RowStore> {
  try {
    return stored(path, await lineEnds(path));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new GlmError("data-invalid", `${path}: expected a file of rows, but it cannot be read (${why}).`, { cause });
  }
}

/** A file of rows to be written. */
export const rowFile = (name: string, rows: RowStore): FileToWrite => ({ name, bytes: 0, content: pieces(each(rows)) });

function* each(rows: RowStore): Generator<Row, void, void> {
  for (let at = 0; at < rows.length; at += 1) yield rows.at(at);
}

/** Folders of this process's files. */
const used = new Set<string>();

/** Of data sets that are no longer used. */
const forgotten = new FinalizationRegistry<{ readonly descriptor: number; readonly folder?: string }>(
  ({ descriptor, folder }) => {
    closeSync(descriptor);
    if (folder !== undefined) removeSpool(folder);
  },
);

function stored(path: string, ends: Offsets, folder?: string): RowStore {
  const descriptor = openSync(path, "r");
  const store: RowStore = {
    length: ends.length,
    file: { path, rows: ends.length },
    at(index) {
      // Batches are made in a loop without waiting, as those in memory are: a row is a read of what the system holds or fetches.
      const [from, to] = ends.range(index);
      const text = Buffer.allocUnsafe(to - from);
      for (let got = 0; got < text.length; ) {
        const count = readSync(descriptor, text, got, text.length - got, from + got);
        if (count === 0) throw damaged(path, index, "its file ends before it");
        got += count;
      }
      try {
        return JSON.parse(text.toString("utf8")) as Row;
      } catch (cause) {
        throw damaged(path, index, (cause as Error).message);
      }
    },
  };
  forgotten.register(store, { descriptor, ...(folder === undefined ? {} : { folder }) });
  return store;
}

const damaged = (path: string, index: number, why: string): GlmError =>
  new GlmError("data-invalid", `${path}: row ${index + 1} cannot be read (${why}). Load the data again.`);

/** Where each line ends: eight bytes a row. */
class Offsets {
  #ends: Float64Array<ArrayBuffer> = new Float64Array(1024);
  length = 0;

  push(end: number): void {
    if (this.length === this.#ends.length) {
      const larger = new Float64Array(2 * this.#ends.length);
      larger.set(this.#ends);
      this.#ends = larger;
    }
    this.#ends[this.length] = end;
    this.length += 1;
  }

  /** The bytes of a line, its end included. */
  range(index: number): readonly [from: number, to: number] {
    return [index === 0 ? 0 : (this.#ends[index - 1] as number), this.#ends[index] as number];
  }
}

async function lineEnds(path: string): Promise<Offsets> {
  const ends = new Offsets();
  const file = await open(path, "r");
  try {
    const piece = Buffer.allocUnsafe(PIECE);
    for (let from = 0; ; ) {
      const { bytesRead } = await file.read(piece, 0, PIECE, from);
      if (bytesRead === 0) return ends;
      const read = piece.subarray(0, bytesRead);
      for (let at = read.indexOf(LINE_END); at >= 0; at = read.indexOf(LINE_END, at + 1)) ends.push(from + at + 1);
      from += bytesRead;
    }
  } finally {
    await file.close();
  }
}

/**
 * Rows as lines, in pieces of a size that is good to write.
 * @param ends told where each line ends
 */
async function* pieces(rows: AsyncIterable<Row> | Iterable<Row>, ends?: Offsets): AsyncGenerator<Buffer, void, void> {
  let lines: Buffer[] = [];
  let [bytes, unwritten] = [0, 0];
  for await (const row of rows) {
    const line = Buffer.from(`${JSON.stringify(row)}\n`);
    lines.push(line);
    bytes += line.length;
    unwritten += line.length;
    ends?.push(bytes);
    if (unwritten < PIECE) continue;
    yield Buffer.concat(lines);
    [lines, unwritten] = [[], 0];
  }
  if (unwritten > 0) yield Buffer.concat(lines);
}

/** Writes rows into a file of this process, in a folder of its own, whose lock says for how long it is used. */
async function spooled(rows: AsyncIterable<Row>): Promise<RowStore> {
  const all = join(cacheFolder(), "rows");
  const folder = join(all, randomUUID());
  const path = join(folder, NAME);
  try {
    const file = await onDisk(folder, IN_MEMORY, async () => {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      if (used.size === 0) process.once("exit", () => [...used].forEach(removeSpool));
      used.add(folder);
      takeLock(folder);
      removeAbandoned(all);
      return open(path, "wx", 0o600);
    });
    const ends = new Offsets();
    try {
      for await (const piece of pieces(rows, ends)) await onDisk(path, piece.length, () => file.appendFile(piece));
    } finally {
      await file.close();
    }
    return stored(path, ends, folder);
  } catch (error) {
    removeSpool(folder);
    throw error;
  }
}

function removeSpool(folder: string): void {
  used.delete(folder);
  rmSync(folder, { recursive: true, force: true });
}

/** What processes left that were killed. */
function removeAbandoned(all: string): void {
  for (const name of readdirSync(all)) {
    const folder = join(all, name);
    try {
      const age = Date.now() - statSync(folder).mtimeMs;
      if (age > BEING_MADE && !used.has(folder) && !lockHolder(folder))
        rmSync(folder, { recursive: true, force: true });
    } catch {
      // Somebody else removes it.
    }
  }
}
