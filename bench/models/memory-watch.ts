/** @file The most memory that a process takes while it does something. */
import { memoryOf } from "../memory.ts";

/** In bytes, the highest of all looks. NaN where the system does not tell. */
export interface Peak {
  /** In no file: memory of its own that cannot be given up. */
  readonly anonymous: number;
  /** With the pages of mapped files that were in memory, each page once however often it is mapped. */
  readonly mapped: number;
}

/** Milliseconds between two looks: each holds the process up a little. */
const LOOK = 100;

export async function peakDuring(pid: number, action: () => Promise<unknown>): Promise<Peak> {
  let peak: Peak = { anonymous: 0, mapped: 0 };
  const look = (): void => {
    const { anonymous = Number.NaN, share = Number.NaN } = memoryOf(pid);
    peak = { anonymous: Math.max(peak.anonymous, anonymous), mapped: Math.max(peak.mapped, share) };
  };
  const watch = setInterval(look, LOOK);
  try {
    await action();
    look();
  } finally {
    clearInterval(watch);
  }
  return peak;
}
