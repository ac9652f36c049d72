/** @file Ranges of files, opened and read in full or not at all. */
import type { FileHandle } from "node:fs/promises";
import { GlmError } from "./errors.ts";
import { openFile, readingOf } from "./regular-file.ts";

/** A single read call takes at most 2 GiB. */
const maxPiece = 2 ** 30;

/**
 * Opens a file for `use` and closes it afterwards.
 * @throws GlmError "model-not-found" when it cannot be opened or is no file
 */
export async function withFile<T>(
  file: string,
  expected: string,
  use: (handle: FileHandle, fileBytes: number) => Promise<T>,
): Promise<T> {
  const missing = (why: string, cause?: unknown): GlmError =>
    new GlmError("model-not-found", `${file}: expected ${expected}, but it cannot be opened (${why}).`, { cause });
  const handle = await openFile(file).catch((cause: unknown) => {
    throw missing(cause instanceof Error ? cause.message : String(cause), cause);
  });
  try {
    return await use(handle, (await handle.stat()).size);
  } finally {
    await handle.close();
  }
}

/**
 * Reads a range of an open file into memory of its own.
 * @throws GlmError "model-invalid" when the file ends before
 */
export async function readBytes(
  handle: FileHandle,
  file: string,
  offset: number,
  bytes: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const content = new Uint8Array(bytes);
  await readBytesInto(content, handle, file, offset);
  return content;
}

/**
 * The same into memory that is there, as much as it holds.
 * @throws GlmError "model-invalid" when the file ends before
 */
export async function readBytesInto(
  content: Uint8Array<ArrayBuffer>,
  handle: FileHandle,
  file: string,
  offset: number,
): Promise<void> {
  const bytes = content.length;
  for (let at = 0; at < bytes; ) {
    const piece = Math.min(bytes - at, maxPiece);
    const { bytesRead } = await readingOf(piece, handle.read(content, at, piece, offset + at));
    if (bytesRead === 0) {
      throw new GlmError(
        "model-invalid",
        `${file}: expected ${bytes} bytes at ${offset}, but the file ended after ${at}. ` +
          "It was changed while in use; load it again.",
      );
    }
    at += bytesRead;
  }
}

/** The same bytes, for numbers of several bytes in them. */
export function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** A range of a file, a few megabytes at a time. */
export async function* pieces(file: string, offset: number, bytes: number): AsyncGenerator<Uint8Array> {
  const step = 2 ** 24;
  for (let at = 0; at < bytes; at += step) {
    yield await withFile(file, "a file", (handle) => readBytes(handle, file, offset + at, Math.min(step, bytes - at)));
  }
}
