/**
 * @file Reading files of folders that others fill. What a file is comes first, then it is opened without waiting, and all of
 * it within bounds of size and time: a named pipe never opens, a device never ends, a network disk that is gone never
 * answers, and whoever waits for one holds one of the few threads that read files for everybody.
 */
import { constants, type Stats } from "node:fs";
import { type FileHandle, open, readdir, realpath, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { InTurnByKey } from "./in-turn.ts";
import { mustDecode, type NotUtf8 } from "./text-encoding.ts";
import { within } from "./within.ts";

/** How long a disk may take to tell of a file or to open it, in milliseconds. */
const PATIENCE_MS = 10_000;
/** Bytes a millisecond that any disk reads. */
const SLOWEST = 500;
/** Bytes that are read at a time. */
const PIECE = 2 ** 22;
const LEAST = 2 ** 12;

/** Largest small file of a model or an adapter in bytes: a tokenizer with its merges has 20 MB. */
const SMALL_FILE: number = 2 ** 27;
/** Largest text in bytes that can be one string. */
export const LARGEST_TEXT: number = 2 ** 29 - 2 ** 16;

/** What reading ends in, where it is none of the system's own errors; `code` is as theirs. */
class Unreadable extends Error {
  override readonly name = "Unreadable";
  readonly code: "EISDIR" | "EFTYPE" | "EFBIG" | "EILSEQ" | "ETIMEDOUT";

  constructor(code: Unreadable["code"], message: string) {
    super(message);
    this.code = code;
  }
}

/**
 * Opens a file for reading. Nothing but a file is opened.
 * @throws Error with a `code`: the system's own, EFTYPE or EISDIR for what is no file, ETIMEDOUT when the disk does not answer
 */
export function openFile(path: string): Promise<FileHandle> {
  return inLine(
    path,
    PATIENCE_MS,
    () => opened(path),
    (late) => void late.close().catch(() => undefined),
  );
}

/**
 * The content of a file.
 * @param most bytes that it may have; none are read of one that has more
 * @throws Error as `openFile`, and EFBIG
 */
export function readWhole(path: string, most: number = SMALL_FILE): Promise<Buffer> {
  return inLine(path, PATIENCE_MS + most / SLOWEST, async (isAwaited) => {
    const file = await opened(path);
    try {
      const { size } = await file.stat();
      const tooLarge = (bytes: string): Unreadable =>
        new Unreadable("EFBIG", `it has ${bytes} bytes, expected at most ${most}`);
      if (size > most) throw tooLarge(String(size));
      // Files of the system have no size, and one that grows has another by now.
      const parts: Buffer[] = [];
      let length = 0;
      while (isAwaited()) {
        const want = Math.min(PIECE, Math.max(size - length + 1, LEAST));
        const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(want), 0, want, length);
        if (bytesRead === 0) break;
        parts.push(buffer.subarray(0, bytesRead));
        length += bytesRead;
        if (length > most) throw tooLarge(`more than ${most}`);
      }
      return Buffer.concat(parts, length);
    } finally {
      await file.close();
    }
  });
}

/**
 * The text of a file in UTF-8, without a byte order mark; see `readWhole`.
 * @throws Error with the code EILSEQ for other encodings, which are named where it can be told
 */
export async function readText(path: string, most: number = SMALL_FILE): Promise<string> {
  const refuse = ({ got, remedy }: NotUtf8): Unreadable =>
    new Unreadable("EILSEQ", `expected text in UTF-8, got ${got}. ${remedy}`);
  return mustDecode(await readWhole(path, most), refuse);
}

/**
 * What is at a path.
 * @throws Error with a `code`: the system's own, ETIMEDOUT when the disk does not answer
 */
export function statOf(path: string): Promise<Stats> {
  return inLine(path, PATIENCE_MS, () => stat(path));
}

/**
 * A path without links in it.
 * @throws Error with a `code`: the system's own, ETIMEDOUT when the disk does not answer
 */
export function realPathOf(path: string): Promise<string> {
  return inLine(path, PATIENCE_MS, () => realpath(path));
}

/** Whether there is a file at a path. What cannot be told is no file. */
export async function isFile(path: string): Promise<boolean> {
  return statOf(path).then(
    (found) => found.isFile(),
    () => false,
  );
}

/**
 * The names in a folder.
 * @throws Error with a `code`: the system's own, ETIMEDOUT when the disk does not answer
 */
export function namesIn(folder: string): Promise<string[]> {
  return inLine(join(folder, "names"), PATIENCE_MS, () => readdir(folder));
}

/** Waits for reading from an open file, for as long as a slow disk takes. */
export function readingOf<T>(bytes: number, reading: Promise<T>): Promise<T> {
  return answered(PATIENCE_MS + bytes / SLOWEST, reading);
}

async function opened(path: string): Promise<FileHandle> {
  mustBeFile(await stat(path));
  // What has become a pipe meanwhile is opened without a writer, and seen to be none.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    mustBeFile(await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

function mustBeFile(found: Stats): void {
  if (found.isFile()) return;
  if (found.isDirectory()) throw new Unreadable("EISDIR", "EISDIR: it is a folder, expected a file");
  const kind = found.isFIFO() ? "a named pipe" : found.isSocket() ? "a socket" : "a device";
  throw new Unreadable("EFTYPE", `it is ${kind}, expected a file`);
}

/** By folder: the end of what is being done there. */
const lines = new InTurnByKey<string>();

/**
 * One after another in each folder: a disk that does not answer then holds one thread, however many ask for its files.
 * @param work is told whether anybody still waits for it
 * @param discard what becomes of a result that nobody waits for any more
 */
async function inLine<T>(
  path: string,
  patience: number,
  work: (isAwaited: () => boolean) => Promise<T>,
  discard: (late: T) => void = () => undefined,
): Promise<T> {
  const folder = dirname(resolve(path));
  let isAwaited = true;
  const result = lines.do(folder, async () => {
    // Who gave up while others were served asks for nothing any more.
    if (isAwaited) return work(() => isAwaited);
    throw late(patience);
  });
  try {
    return await answered(patience, result);
  } catch (error) {
    isAwaited = false;
    result.then(discard, () => undefined);
    throw error;
  }
}

/** Waits for a disk. */
function answered<T>(patience: number, work: Promise<T>): Promise<T> {
  return within(patience, work, () => {
    throw late(patience);
  });
}

const late = (patience: number): Unreadable =>
  new Unreadable(
    "ETIMEDOUT",
    `its disk did not answer within ${Math.round(patience / 1000)} s: is it a network drive that is gone?`,
  );
