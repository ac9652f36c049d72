/** @file Weights in the form that graphs map: float32 ranges of files. Other types are converted once, into a cached file. */
import { createHash } from "node:crypto";
import { open, realpath, stat } from "node:fs/promises";
import { join } from "node:path";
import { GlmError } from "../errors.ts";
import type { FileRange } from "../graph/value.ts";
import type { ParameterSpec } from "../models/context.ts";
import type { Checkpoint } from "./checkpoint.ts";
import { fitWeights } from "./fit.ts";
import { toFloat32 } from "./float32.ts";
import { readHeader } from "./header.ts";
import { readTensor, writeSafetensors } from "./safetensors.ts";
import type { StoredTensor } from "./stored.ts";

export interface MappedWeights {
  /** By parameter name. */
  readonly ranges: ReadonlyMap<string, FileRange>;
  readonly bytes: number;
}

/**
 * Checks that the checkpoint has exactly what the model needs, and makes every parameter a float32 file range.
 * @param cache the folder for converted weights
 * @param onProgress told of tensors converted so far; not called when nothing needs converting
 * @throws GlmError "model-invalid" with every missing tensor, wrong shape and unsupported type
 */
export async function mapWeights(
  checkpoint: Checkpoint,
  parameters: readonly ParameterSpec[],
  cache: string,
  onProgress: (done: number, total: number) => void,
  signal?: AbortSignal,
): Promise<MappedWeights> {
  const stored = [...(await fitWeights(checkpoint, { parameters, modules: [] })).values()];
  const direct = stored.every(({ dtype, offset }) => dtype === "float32" && offset % 4 === 0);
  const tensors = direct ? stored : await converted(stored, cache, onProgress, signal);
  const ranges = await Promise.all(
    tensors.map(
      async ({ name, file, offset, bytes }) => [name, { file: await realpath(file), offset, bytes }] as const,
    ),
  );
  return { ranges: new Map(ranges), bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** Identifies a checkpoint by its content: headers, sizes and a sample of the data of each file. */
export async function fingerprint(checkpoint: Checkpoint, config: string): Promise<string> {
  const hash = createHash("sha256").update(config);
  for (const file of new Set([...checkpoint.tensors.values()].map((tensor) => tensor.file))) {
    const { size } = await stat(file);
    hash.update(`${size}`);
    const handle = await open(file);
    try {
      const sample = new Uint8Array(Math.min(size, 2 ** 20));
      for (const at of [0, Math.floor((size - sample.length) / 2), size - sample.length]) {
        await handle.read(sample, 0, sample.length, at);
        hash.update(sample);
      }
    } finally {
      await handle.close();
    }
  }
  return hash.digest("hex").slice(0, 24);
}

async function converted(
  stored: readonly StoredTensor[],
  cache: string,
  onProgress: (done: number, total: number) => void,
  signal?: AbortSignal,
): Promise<readonly StoredTensor[]> {
  const file = join(cache, "float32.safetensors");
  const ready = await readHeader(file).catch((error: unknown) => {
    if (error instanceof GlmError) return undefined;
    throw error;
  });
  if (ready) return ready.tensors;
  let done = 0;
  const sources = stored.map((tensor) => ({
    name: tensor.name,
    dtype: "float32" as const,
    shape: tensor.shape,
    async read() {
      signal?.throwIfAborted();
      const value = toFloat32(await readTensor(tensor));
      done += 1;
      onProgress(done, stored.length);
      return value;
    },
  }));
  await writeSafetensors(file, sources);
  return (await readHeader(file)).tensors;
}
