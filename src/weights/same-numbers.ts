/** @file Whether two tensors of weight files hold the same numbers, without reading gigabytes. */
import { readBytes, withFile } from "../file-bytes.ts";
import type { StoredTensor } from "./stored.ts";

/** Bytes that are compared at a time, and how often: tensors up to 32 MiB are compared whole. */
const windowBytes = 2 ** 16;
const maxWindows = 512;

/**
 * Compares type, shape and bytes. Of large tensors, windows that are spread evenly are compared: two embedding tables
 * that were trained apart differ in every row, so they differ in every window.
 */
export async function sameNumbers(a: StoredTensor, b: StoredTensor): Promise<boolean> {
  if (a.dtype !== b.dtype || String(a.shape) !== String(b.shape)) return false;
  if (a.file === b.file && a.offset === b.offset) return true;
  const windows = Math.min(maxWindows, Math.ceil(a.bytes / windowBytes));
  return withFile(a.file, "a file of weights", (handleA) =>
    withFile(b.file, "a file of weights", async (handleB) => {
      for (let i = 0; i < windows; i += 1) {
        const at = Math.floor((i * a.bytes) / windows);
        const bytes = Math.min(windowBytes, a.bytes - at);
        const [left, right] = await Promise.all([
          readBytes(handleA, a.file, a.offset + at, bytes),
          readBytes(handleB, b.file, b.offset + at, bytes),
        ]);
        if (Buffer.compare(left, right) !== 0) return false;
      }
      return true;
    }),
  );
}
