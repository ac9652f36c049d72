/** @file Every question to an engine ends with the cell that asked it, unless it has a signal of its own as well. */
import { abortSignal } from "../ambient.ts";
import type { EngineOptions } from "../engine/engine.ts";
import { refuseUnknown } from "../options.ts";
import { faultsOf } from "./checks.ts";

export interface Abortable {
  /** Stops the work; the running cell's interrupt does so in any case. */
  readonly signal?: AbortSignal | undefined;
}

/** Options for an engine: the caller's own signal joined with the cell's. */
export function cellSignal(own?: AbortSignal): EngineOptions {
  const signal = abortSignal(own);
  return signal ? { signal } : {};
}

/**
 * Options for an engine, of a method whose only option is the signal.
 * @param subject the method, for messages
 * @param found what is wrong with its other arguments
 * @throws GlmError "option-invalid" with every fault
 */
export function onlySignal(
  subject: string,
  options: Abortable | undefined,
  found: readonly string[] = [],
): EngineOptions {
  refuseUnknown(subject, options, ["signal"], [...found, ...faultsOf({ signal: options?.signal })]);
  return cellSignal(options?.signal);
}
