/** @file Trying again: what may pass by itself, how often and how long it is waited for. */
import { setTimeout as sleep } from "node:timers/promises";

/** Something that may pass by itself: a cut connection, an overloaded server. */
export class TransientError extends Error {
  override readonly name = "TransientError";
  /** How long the server asked to be left alone, in milliseconds. */
  readonly waitMs: number | undefined;

  constructor(message: string, options: { cause?: unknown; waitMs?: number | undefined } = {}) {
    super(message, { cause: options.cause });
    this.waitMs = options.waitMs;
  }
}

export interface RetryPolicy {
  /** Tries in a row without any progress before it is given up. */
  readonly attempts: number;
  /** The first pause in milliseconds; each one more is twice as long, up to the longest. */
  readonly pauseMs: number;
  readonly longestPauseMs: number;
  /** A server that asks for a longer pause than this is not waited for, in milliseconds. */
  readonly longestWaitMs: number;
  /** A connection over which nothing comes for this long counts as cut, in milliseconds. */
  readonly silenceMs: number;
}

export const defaultPolicy: RetryPolicy = {
  attempts: 6,
  pauseMs: 500,
  longestPauseMs: 10_000,
  longestWaitMs: 120_000,
  silenceMs: 30_000,
};

/**
 * Runs an action until it ends in something else than a hiccup.
 * @param progressed whether the last try got anywhere: then the tries are counted anew
 * @throws TransientError the last one, when there were too many
 */
export async function retried<T>(
  policy: RetryPolicy,
  signal: AbortSignal | undefined,
  action: () => Promise<T>,
  progressed: () => boolean = () => false,
): Promise<T> {
  for (let failures = 0; ; ) {
    signal?.throwIfAborted();
    try {
      return await action();
    } catch (error) {
      signal?.throwIfAborted();
      if (!(error instanceof TransientError)) throw error;
      failures = progressed() ? 1 : failures + 1;
      if (failures >= policy.attempts || (error.waitMs ?? 0) > policy.longestWaitMs) throw error;
      await sleep(Math.max(error.waitMs ?? 0, pauseAfter(failures, policy)), undefined, signal ? { signal } : {}).catch(
        () => signal?.throwIfAborted(),
      );
    }
  }
}

/** Half of it is chance, so that many clients do not come back together. */
function pauseAfter(failures: number, { pauseMs, longestPauseMs }: RetryPolicy): number {
  const full = Math.min(longestPauseMs, pauseMs * 2 ** (failures - 1));
  return full * (0.5 + Math.random() / 2);
}

/** The pause that a Retry-After header asks for, in milliseconds: seconds, or a date. */
export function retryAfter(value: string | null, now: number = Date.now()): number | undefined {
  if (value === null) return undefined;
  const ms = /^\s*\d+\s*$/.test(value) ? Number(value) * 1000 : Date.parse(value) - now;
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
