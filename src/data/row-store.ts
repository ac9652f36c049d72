/**
 * @file Many rows, read in any order. Few are held in memory; more are written to a file of their own as they come, and each is
 * read from there when it is asked for.
 */

import { randomUUID } from "node:crypto";
import { closeSync, openSync, readSync, unlinkSync } from "node:fs";
import { mkdir, open } from "node:fs/promises";
import { join } from "node:path";
import { onDisk } from "../files.ts";
import { cacheFolder } from "../folders.ts";
import type { Row } from "./row.ts";

export interface RowStore {
  readonly length: number;
  at(index: number): Row;
}

/** Bytes of rows that are held in memory before the disk is used. */
const IN_MEMORY = 2 ** 25;
/** Bytes that are written at a time. */
const PIECE = 2 ** 22;

export const inMemory = (rows: readonly Row[]): RowStore => ({
  length: rows.length,
  at: (index) => rows[index] as Row,
});

/** Closes the files of data sets that are no longer used. */
const forgotten = new FinalizationRegistry<number>((descriptor) => closeSync(descriptor));

/**
 * Takes all rows of a stream.
 * @param most bytes of rows that are held in memory; with more, all are on the disk
 * @throws GlmError "disk" when there is no room for them; whatever the stream throws
 */
export async function storedRows(rows: AsyncIterable<Row>, most: number = IN_MEMORY): Promise<RowStore> {
  const held: Row[] = [];
  let pieces: Buffer[] = [];
  let [bytes, spool]: [number, Spool | undefined] = [0, undefined];
  const ends = new Offsets();
  const flush = async (): Promise<void> => {
    const piece = Buffer.concat(pieces);
    pieces = [];
    await spool?.append(piece);
  };
  let unwritten = 0;
  try {
    for await (const row of rows) {
      const text = Buffer.from(JSON.stringify(row));
      bytes += text.length;
      unwritten += text.length;
      ends.push(bytes);
      if (spool) pieces.push(text);
      else held.push(row);
      if (!spool && bytes > most) {
        spool = await Spool.open();
        pieces = held.splice(0).map((one) => Buffer.from(JSON.stringify(one)));
      }
      if (spool && unwritten >= PIECE) {
        await flush();
        unwritten = 0;
      }
    }
    if (spool) await flush();
  } catch (error) {
    await spool?.discard();
    throw error;
  }
  return spool ? spool.store(ends) : inMemory(held);
}

/** Where each row ends: eight bytes a row. */
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

  /** The bytes of a row. */
  range(index: number): readonly [from: number, to: number] {
    return [index === 0 ? 0 : (this.#ends[index - 1] as number), this.#ends[index] as number];
  }
}

/** The file with the rows. It has no name while it is used, so that nothing is left of it, however its process ends. */
class Spool {
  readonly #path: string;
  readonly #file: Awaited<ReturnType<typeof open>>;

  static async open(): Promise<Spool> {
    const folder = join(cacheFolder(), "rows");
    const path = join(folder, `${randomUUID()}.jsonl`);
    return onDisk(path, IN_MEMORY, async () => {
      await mkdir(folder, { recursive: true });
      return new Spool(path, await open(path, "wx", 0o600));
    });
  }

  private constructor(path: string, file: Awaited<ReturnType<typeof open>>) {
    this.#path = path;
    this.#file = file;
  }

  append(piece: Buffer): Promise<void> {
    return onDisk(this.#path, piece.length, () => this.#file.appendFile(piece));
  }

  async discard(): Promise<void> {
    await this.#file.close();
    unlinkSync(this.#path);
  }

  async store(ends: Offsets): Promise<RowStore> {
    await this.#file.close();
    // Batches are made in a loop without waiting, as those in memory are: a row is a read of what the system holds or fetches.
    const descriptor = openSync(this.#path, "r");
    try {
      unlinkSync(this.#path);
    } catch {
      // Windows keeps the name of an open file.
      process.once("exit", () => {
        closeSync(descriptor);
        unlinkSync(this.#path);
      });
    }
    const store: RowStore = {
      length: ends.length,
      at(index) {
        const [from, to] = ends.range(index);
        const text = Buffer.allocUnsafe(to - from);
        for (let got = 0; got < text.length; ) {
          const count = readSync(descriptor, text, got, text.length - got, from + got);
          if (count === 0) throw new Error(`row ${index + 1} of the data set is gone from the disk`);
          got += count;
        }
        return JSON.parse(text.toString("utf8")) as Row;
      },
    };
    forgotten.register(store, descriptor);
    return store;
  }
}
