/** @file What tells one checkpoint from another, wherever it lies and whatever it is called. */
import { createHash } from "node:crypto";
import { open, stat } from "node:fs/promises";
import type { Checkpoint } from "./checkpoint.ts";

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
