/** @file Every question to an engine ends with the cell that asked it, unless it has a signal of its own as well. */
import { abortSignal } from "../ambient.ts";
import type { EngineOptions } from "../engine/engine.ts";

export interface Abortable {
  /** Stops the work; the running cell's interrupt does so in any case. */
  readonly signal?: AbortSignal | undefined;
}

/** Options for an engine: the caller's own signal joined with the cell's. */
export function cellSignal(own?: AbortSignal): EngineOptions {
  const signal = abortSignal(own);
  return signal ? { signal } : {};
}
