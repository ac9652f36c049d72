/** @file What tells one checkpoint from another, wherever it lies and whatever it is called. */
import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { openFile } from "../regular-file.ts";
import type { Checkpoint } from "./checkpoint.ts";
import type { StoredTensor } from "./stored.ts";

/** Bytes that are read of a tensor at its start, in its middle and at its end. */
const SAMPLE = 4096;

/**
 * Identifies a checkpoint by its content: what config.json says, every tensor's name, type and shape, and a sample of every
 * tensor's numbers. Reading all of them would take as long as loading; fine-tuning changes tensors throughout.
 */
export async function fingerprint({ tensors }: Pick<Checkpoint, "tensors">, config: string): Promise<string> {
  const hash = createHash("sha256").update(config);
  const handles = new Map<string, FileHandle>();
  try {
    const inOrder = [...tensors.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    for (const tensor of inOrder) {
      const handle = handles.get(tensor.file) ?? (await openFile(tensor.file));
      handles.set(tensor.file, handle);
      hash.update(JSON.stringify([tensor.name, tensor.dtype, tensor.shape]));
      for (const part of await samples(handle, tensor)) hash.update(part);
    }
  } finally {
    await Promise.all([...handles.values()].map((handle) => handle.close()));
  }
  return hash.digest("hex").slice(0, 24);
}

async function samples(handle: FileHandle, { offset, bytes }: StoredTensor): Promise<Uint8Array[]> {
  if (bytes <= 3 * SAMPLE) return [await read(handle, offset, bytes)];
  const starts = [0, Math.floor((bytes - SAMPLE) / 2), bytes - SAMPLE];
  return Promise.all(starts.map((start) => read(handle, offset + start, SAMPLE)));
}

async function read(handle: FileHandle, at: number, bytes: number): Promise<Uint8Array> {
  const { buffer, bytesRead } = await handle.read(new Uint8Array(bytes), 0, bytes, at);
  return buffer.subarray(0, bytesRead);
}
