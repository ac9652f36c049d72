/** @file Stopping JavaScript that never yields: the server thread asks, the cell thread unwinds and terminates itself. */
import { Session } from "node:inspector";
import { ambient } from "../src/ambient.ts";

/**
 * The server thread reaches the cell thread through V8's inspector, which runs an expression even in the middle of
 * `while (true) {}`. Terminating right from the other thread would be simpler, but it has two faults that were seen:
 * - Node keeps a stack of async contexts beside the JavaScript stack. Termination unwinds only the latter, and with an
 *   AsyncLocalStorage in use Node then aborts the process ("Assertion failed: execution_async_id() == 0").
 *   So that check is off until the stack of contexts has been cleared.
 * - Meeting an idle thread it kills whatever runs next, which is the kernel's own message handler.
 *   So the cell thread looks at what was interrupted, and only terminates code of a cell.
 */
const entry = Symbol.for("glmlab.terminate");
const expression = 'globalThis[Symbol.for("glmlab.terminate")]?.() === true';

/**
 * Makes this (the cell) thread terminable. `terminated` is called, in a later turn of the event loop, with the signal
 * of the cell whose code was stopped, or undefined when that cannot be told.
 *
 * What a termination means: the running JavaScript ends without running `catch` or `finally`, the promises it would
 * have settled never settle, and pending microtasks are lost. Variables, timers and sockets live on.
 */
export function allowTermination(terminated: (signal: AbortSignal | undefined) => void): void {
  const contexts = new AsyncContexts();
  const later = setImmediate;
  const stop = (): boolean => {
    if (protectedDepth > 0 || !interruptedACell(interruptedFrames())) return false;
    const { signal } = ambient();
    contexts.expectTermination();
    const session = new Session(); // open sessions would hold up the end of the process
    session.connect();
    later(() => {
      contexts.repair();
      session.disconnect();
      terminated(signal);
    });
    session.post("Runtime.terminateExecution");
    return true;
  };
  Object.assign(globalThis, { [entry]: stop });
}

let protectedDepth = 0;

/** Runs synchronous code that keeps state, such as a compiler: it is never torn apart. Cells run outside. */
export function uninterruptible<T>(body: () => T): T {
  protectedDepth++;
  try {
    return body();
  } finally {
    protectedDepth--;
  }
}

/**
 * For the server thread: returns a function that stops what the cell thread is running now. It answers whether there
 * was anything to stop; ask again until the cell has ended, since a loop may be between two turns.
 */
export function connectTerminator(): () => Promise<boolean> {
  return () =>
    new Promise((resolve) => {
      const session = new Session();
      session.connectToMainThread();
      session.post("Runtime.evaluate", { expression, returnByValue: true }, (error, reply) => {
        session.disconnect();
        resolve(!error && reply.result.value === true);
      });
    });
}

/** A cell's code is known by its ambient signal. Between two microtasks (`for (;;) await null`) there may be none. */
function interruptedACell(frames: readonly NodeJS.CallSite[] | undefined): boolean {
  if (frames === undefined) return ambient().signal !== undefined;
  if (frames.length === 0) return false; // the thread is idle
  return ambient().signal !== undefined || !frames.some((frame) => frame.getFileName()?.startsWith(kernelFolder));
}

const kernelFolder = new URL(".", import.meta.url).href;

/** What runs below the inspector's expression, whatever the user did to stack traces; undefined when that hides it. */
function interruptedFrames(): readonly NodeJS.CallSite[] | undefined {
  const { prepareStackTrace, stackTraceLimit } = Error;
  // Not by assignment, which throws where a cell has frozen Error.
  Reflect.set(Error, "stackTraceLimit", 10);
  Reflect.set(Error, "prepareStackTrace", (_error: Error, frames: readonly NodeJS.CallSite[]) => frames);
  try {
    const frames: unknown = new Error().stack;
    return Array.isArray(frames) ? frames.slice(3) : undefined; // this function, `stop` and the expression
  } finally {
    Reflect.set(Error, "prepareStackTrace", prepareStackTrace);
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
  }
}

/** Node's own record of asynchronous contexts, which has no public interface. Versions without it do not need this. */
class AsyncContexts {
  readonly #wrap = asyncWrap();
  /** The number of active hooks, on which Node's check depends, while that check is off. */
  #hooks: number | undefined;

  expectTermination(): void {
    if (!this.#wrap) return;
    const { async_hook_fields: fields, constants } = this.#wrap;
    this.#hooks ??= fields[constants.kTotals] ?? 0;
    fields[constants.kTotals] = 0;
    this.#wrap.clearAsyncIdStack();
  }

  /** What still ran between the request and the termination may have entered a context, which it then never left. */
  repair(): void {
    if (!this.#wrap || this.#hooks === undefined) return;
    const { async_hook_fields: fields, constants } = this.#wrap;
    this.#wrap.clearAsyncIdStack();
    fields[constants.kTotals] = Math.max(this.#hooks, fields[constants.kTotals] ?? 0);
    this.#hooks = undefined;
  }
}

interface AsyncWrap {
  readonly async_hook_fields: Uint32Array;
  readonly constants: { readonly kTotals: number };
  clearAsyncIdStack(): void;
}

/** Node warns of this use of `process.binding`, so the warning is silenced for the moment. */
function asyncWrap(): AsyncWrap | undefined {
  const { noDeprecation } = process;
  process.noDeprecation = true;
  try {
    const { binding } = process as unknown as { binding(name: "async_wrap"): AsyncWrap };
    return binding.call(process, "async_wrap");
  } catch {
    return undefined;
  } finally {
    process.noDeprecation = noDeprecation ?? false;
  }
}
