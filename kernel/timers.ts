/** @file The timers that cells see: they run in their cell's surroundings and end with it when it is interrupted. */
import * as native from "node:timers";
import * as nativePromises from "node:timers/promises";
import { promisify } from "node:util";
import { abortSignal, ambient } from "../src/ambient.ts";

/** What an interrupted cell's own code ends with. It is made where the code waits, so that its stack shows that line. */
export class Interrupted extends Error {
  override readonly name = "Interrupted";

  constructor() {
    super("The cell was interrupted.");
  }
}

/** Passes on what an `await` gave, unless the cell was interrupted meanwhile: loops that await thus end. */
export function resume<T>(value?: T): T | undefined {
  if (ambient().signal?.aborted) throw new Interrupted();
  return value;
}

type Callback = (...args: unknown[]) => void;

/**
 * A callback that does nothing once its cell was interrupted, or once it was itself terminated: then it never got to
 * the `finally`, and an interval would only hang again.
 */
function mortal(callback: Callback, drop: (timer: unknown) => void): Callback {
  const { signal } = ambient();
  let running = false;
  return function (this: unknown, ...args) {
    if (signal?.aborted || running) {
      drop(this);
      return;
    }
    running = true;
    try {
      callback.apply(this, args);
    } finally {
      running = false;
    }
  };
}

const clear = (timer: unknown): void => native.clearInterval(timer as NodeJS.Timeout);

const callbacks = {
  setTimeout: (callback: Callback, delay?: number, ...args: unknown[]) =>
    native.setTimeout(mortal(callback, clear), delay, ...args),
  setInterval: (callback: Callback, delay?: number, ...args: unknown[]) =>
    native.setInterval(mortal(callback, clear), delay, ...args),
  setImmediate: (callback: Callback, ...args: unknown[]) =>
    native.setImmediate(
      mortal(callback, () => {}),
      ...args,
    ),
};

/** Waits as `start` does until the cell is interrupted; what an interrupted cell starts to wait for never comes. */
async function wait<T>(
  own: AbortSignal | undefined,
  start: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  const cell = ambient().signal;
  if (cell?.aborted) return new Promise(() => {});
  const interrupted = new Interrupted();
  try {
    return await start(abortSignal(own));
  } catch (error) {
    throw cell?.aborted && !own?.aborted ? interrupted : error;
  }
}

interface WaitOptions {
  readonly signal?: AbortSignal;
  readonly ref?: boolean;
}

const promises = {
  setTimeout: <T>(delay?: number, value?: T, options?: WaitOptions) =>
    wait(options?.signal, (signal) =>
      nativePromises.setTimeout(delay, value, { ...options, ...(signal && { signal }) }),
    ),
  setImmediate: <T>(value?: T, options?: WaitOptions) =>
    wait(options?.signal, (signal) => nativePromises.setImmediate(value, { ...options, ...(signal && { signal }) })),
  setInterval: async function* <T>(delay?: number, value?: T, options?: WaitOptions): AsyncGenerator<T> {
    const signal = abortSignal(options?.signal);
    yield* nativePromises.setInterval(delay, value, { ...options, ...(signal && { signal }) }) as AsyncIterable<T>;
  },
  scheduler: {
    wait: (delay: number, options?: WaitOptions) => promises.setTimeout(delay, undefined, options),
    yield: () => promises.setImmediate(),
  },
};

Object.defineProperty(callbacks.setTimeout, promisify.custom, { value: promises.setTimeout });
Object.defineProperty(callbacks.setImmediate, promisify.custom, { value: promises.setImmediate });

/** Timers in the scope of every cell, by the name of the global that each stands for. */
export const cellTimers: Readonly<Record<string, unknown>> = callbacks;

/** Modules that cells get in place of Node's: specifier without "node:" to namespace. */
export const timerModules: ReadonlyMap<string, Record<string, unknown>> = new Map<string, Record<string, unknown>>([
  ["timers", withDefault({ ...native, ...callbacks, promises })],
  ["timers/promises", withDefault(promises)],
]);

function withDefault(names: Record<string, unknown>): Record<string, unknown> {
  const { default: _, ...exports } = names;
  return { ...exports, default: exports };
}
