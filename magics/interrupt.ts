/** @file Whether what a cell awaited was interrupted, or failed. */
import { ambient } from "../src/ambient.ts";

/** Whether an error is the cell's interruption. */
export function isInterrupt(error: unknown): boolean {
  return ambient().signal?.aborted === true || (error instanceof Error && error.name === "AbortError");
}
