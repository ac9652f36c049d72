/**
 * @file Random weights of any number in files that are little larger than the largest: each weight is a range of its own,
 * and ranges overlap. Without a file as large as the model, every weight is still another one to whoever reads or uploads it.
 */
import { rmSync } from "node:fs";
import { mkdtemp, open, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toFloat16 } from "../../src/float16.ts";
import type { FileRange } from "../../src/graph/value.ts";
import { randomStream } from "../../src/random.ts";
import { tensor } from "../../src/tensor.ts";

/** What a file holds: numbers within 0.02 of zero in float32 or float16, or bytes. */
export type Kind = (typeof kinds)[number];
const kinds = ["floats", "halves", "codes"] as const;

export interface Scratch {
  /** A range that starts where no other does. */
  place(kind: Kind, bytes: number): FileRange;
  dispose(): Promise<void>;
}

/** Ranges start at multiples of it. */
export const ALIGNMENT = 64;
/** Bytes of a file beyond the largest weight: room for that many starts. */
const SPARE = 2 ** 20;
/** Random numbers that are written again and again; a prime, so that no two rows of a matrix are alike. */
const BLOCK = 1_000_003;
const LIMIT = 0.02;

/** @param largest bytes of the largest weight */
export async function scratchFiles(largest: number): Promise<Scratch> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), "glmlab-device-")));
  // Codes have a byte at most, and little more for blocks that are not full.
  const sizes: Record<Kind, number> = {
    floats: largest + SPARE,
    halves: Math.ceil(largest / 2) + SPARE,
    codes: Math.ceil(largest / 2) + SPARE,
  };
  const places: Record<Kind, Places> = {
    floats: new Places(sizes.floats),
    halves: new Places(sizes.halves),
    codes: new Places(sizes.codes),
  };
  const fileOf = (kind: Kind): string => join(folder, kind);
  // Gigabytes, that are not to stay when a run is broken off.
  const onExit = (): void => rmSync(folder, { recursive: true, force: true });
  process.once("exit", onExit);
  const dispose = async (): Promise<void> => {
    process.off("exit", onExit);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    for (const kind of kinds) await fill(fileOf(kind), sizes[kind], randomBlock(kind));
  } catch (error) {
    await dispose();
    throw error;
  }
  return {
    place: (kind, bytes) => ({ file: fileOf(kind), offset: places[kind].next(bytes), bytes }),
    dispose,
  };
}

/** Offsets of ranges in a file: one after the other, from the start again when the end is reached, and no two the same. */
export class Places {
  readonly #bytes: number;
  readonly #taken = new Set<number>();
  #at = 0;

  constructor(bytes: number) {
    this.#bytes = bytes;
  }

  next(bytes: number): number {
    if (bytes > this.#bytes) throw new Error(`${bytes} bytes do not fit into a file of ${this.#bytes}`);
    for (const start of [this.#at, 0]) {
      let offset = start;
      while (this.#taken.has(offset)) offset += ALIGNMENT;
      if (offset + bytes > this.#bytes) continue;
      this.#taken.add(offset);
      this.#at = Math.ceil((offset + bytes) / ALIGNMENT) * ALIGNMENT;
      return offset;
    }
    throw new Error(`no place is left for ${bytes} bytes in ${this.#bytes}`);
  }
}

function randomBlock(kind: Kind): Uint8Array {
  const stream = randomStream(0, kind);
  if (kind === "codes") return Uint8Array.from({ length: BLOCK }, () => stream.integer(256));
  const floats = Float32Array.from({ length: BLOCK }, () => LIMIT * (stream.integer(2 ** 16) / 2 ** 15 - 1));
  return new Uint8Array(kind === "halves" ? toFloat16(tensor("float32", [BLOCK], floats)).data.buffer : floats.buffer);
}

async function fill(path: string, bytes: number, block: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    for (let written = 0; written < bytes; ) {
      written += (await file.write(block, 0, Math.min(block.length, bytes - written))).bytesWritten;
    }
  } finally {
    await file.close();
  }
}

/** Ends this process when it is told to, so that what is to be done at its exit is done. */
export function exitWhenTold(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
}
