/**
 * @file Whether weights that are used as they lie in the checkpoint are numbers. What is converted or quantised is looked at
 * on the way; these are only mapped, so they are read for it: once, and again when their files have changed.
 */
import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { makeFolder } from "../files.ts";
import { slabs } from "../held/matrix.ts";
import type { Plan } from "../held/plan.ts";
import type { StoredTensor } from "../weights/stored.ts";
import { MARK, markUsed } from "./prepared-folder.ts";
import type { OnProgress } from "./source-folder.ts";

/**
 * @param folder of the cache for this checkpoint's marks, each a folder with the time of its last use
 * @throws GlmError "model-invalid" with the tensor's name
 */
export async function checkWeights(
  { asStored }: Pick<Plan, "asStored">,
  folder: string,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<void> {
  if (asStored.length === 0) return;
  const mark = join(folder, await stateOf(asStored));
  const known = await stat(join(mark, MARK)).catch(() => undefined);
  if (!known) await readAll(asStored, onProgress, signal);
  // Without a place for marks, everything is only slower.
  await makeFolder(mark).catch(() => undefined);
  await markUsed(mark);
}

async function readAll(tensors: readonly StoredTensor[], onProgress: OnProgress, signal?: AbortSignal): Promise<void> {
  const total = tensors.reduce((sum, { bytes }) => sum + bytes, 0);
  let done = 0;
  for (const tensor of tensors) {
    for await (const { data } of slabs(tensor, tensor.shape.at(-1) ?? 1)) {
      signal?.throwIfAborted();
      done += data.byteLength;
      onProgress("checking weights (once)", done, total, "bytes");
    }
  }
}

/** Names the tensors, and their files as they are now. */
async function stateOf(tensors: readonly StoredTensor[]): Promise<string> {
  const hash = createHash("sha256");
  for (const file of new Set(tensors.map((tensor) => tensor.file))) {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true });
    hash.update([dev, ino, size, mtimeNs, ctimeNs].join());
  }
  for (const { name, offset, bytes } of tensors) hash.update(JSON.stringify([name, offset, bytes]));
  return hash.digest("hex").slice(0, 16);
}
