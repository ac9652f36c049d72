/** @file How long loading takes: the first time, when weights are prepared, and again, beside `cat` of the same files. */
import { type Mapped, mappedFiles } from "../memory.ts";
import type { Loaded } from "./contender.ts";
import type { ContenderProcess } from "./contender-process.ts";
import { catSeconds, evict } from "./page-cache.ts";

/** Seconds. */
export interface Loading extends Loaded {
  readonly cat: number;
}

export interface Reloading {
  /** Bytes of files that the loaded process has mapped. */
  readonly bytes: number;
  /** Files in the page cache. */
  readonly warm: readonly Loading[];
  /** Files on the disk only; none where the system has no way to put them there. */
  readonly cold: readonly Loading[];
}

/**
 * @param start a process that has not loaded
 * @param folder where the files are that count; libraries and the like lie elsewhere
 */
export async function reloading(start: () => ContenderProcess, folder: string, rounds: number): Promise<Reloading> {
  const { files, bytes } = await used(start, folder);
  const [warm, cold]: [Loading[], Loading[]] = [[], []];
  for (let round = 0; round < rounds; round += 1) {
    // `cat` has just read them, so they are in the cache if they fit.
    const cat = catSeconds(files);
    warm.push({ ...(await load(start())), cat });
    if (!evict(files)) continue;
    const loaded = await load(start());
    evict(files);
    cold.push({ ...loaded, cat: catSeconds(files) });
  }
  return { bytes, warm, cold };
}

async function used(start: () => ContenderProcess, folder: string): Promise<Mapped> {
  const process = start();
  try {
    await process.load();
    return mappedFiles(process.pid, folder);
  } finally {
    await process.dispose();
  }
}

async function load(process: ContenderProcess): Promise<Loaded> {
  try {
    return await process.load();
  } finally {
    await process.dispose();
  }
}
