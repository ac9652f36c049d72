/** @file Whether a file on the disk has the content that a hub says it has. */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { GlmError } from "../errors.ts";
import { openFile } from "../regular-file.ts";
import type { Reading, RemoteFile } from "./hub.ts";

const CHUNK_BYTES = 2 ** 20;

/**
 * What is wrong with a file, in words that follow its name; undefined when nothing is. It is read from the disk, so that what
 * went wrong in writing it is found, too.
 * @throws GlmError "disk" when it cannot be read
 */
export async function faultOf(path: string, file: RemoteFile, reading: Reading = {}): Promise<string | undefined> {
  try {
    return await difference(path, file, reading);
  } catch (cause) {
    const isOfDisk = cause instanceof Error && "code" in cause && typeof cause.code === "string";
    if (!isOfDisk || cause instanceof GlmError) throw cause;
    throw new GlmError(
      "disk",
      `${path}: expected a file that can be read, got: ${cause.message}. Change its permissions, or remove it to have it fetched again.`,
      { cause },
    );
  }
}

async function difference(path: string, file: RemoteFile, { onBytes, signal }: Reading): Promise<string | undefined> {
  const { size } = await stat(path);
  if (file.bytes !== undefined && size !== file.bytes) return `expected ${file.bytes} bytes, got ${size}`;
  if (!file.hash) return undefined;
  const { kind, hex } = file.hash;
  const hash = createHash(kind === "git" ? "sha1" : "sha256");
  if (kind === "git") hash.update(`blob ${size}\0`);
  for await (const part of (await openFile(path)).createReadStream({ highWaterMark: CHUNK_BYTES })) {
    signal?.throwIfAborted();
    hash.update(part as Uint8Array);
    onBytes?.((part as Uint8Array).length);
  }
  const got = hash.digest("hex");
  return got === hex ? undefined : `expected ${kind === "git" ? "git's" : "the"} checksum ${hex}, got ${got}`;
}
