/**
 * @file The cell thread's side of stopping code that never yields. The server thread reaches it through V8's inspector,
 * which runs an expression even in the middle of `while (true) {}`; the thread then terminates itself.
 *
 * Terminating right from the other thread would be simpler, but it has two faults that were seen:
 * - Node keeps a stack of asynchronous contexts beside the JavaScript stack. Termination unwinds only the latter, and
 *   with AsyncLocalStorage in use Node 20 then aborts ("Assertion failed: execution_async_id() == 0"). So the stack of
 *   contexts is cleared first.
 * - Meeting an idle thread it kills whatever runs next, which is the kernel's own message handler. So the thread looks
 *   at what was interrupted, and only terminates code of a cell.
 *
 * What is terminated ends without running `catch` or `finally`, and the promises that it would have settled never
 * settle. Variables, timers and sockets live on.
 */
import { Session } from "node:inspector";
import { ambient } from "../src/ambient.ts";

const ENTRY = "glmlab.unwind";

/** What the server thread evaluates here: true when there was code of a cell to stop. */
export const UNWIND: string = `globalThis[Symbol.for("${ENTRY}")]?.() === true`;

let protectedDepth = 0;

/**
 * Runs synchronous code that must not be torn apart, such as a compiler that keeps state: an interrupt waits for it.
 * Keep it short, and never run cells in it.
 */
export function uninterruptible<T>(body: () => T): T {
  protectedDepth++;
  try {
    return body();
  } finally {
    protectedDepth--;
  }
}

/** Makes this (the cell) thread ready for UNWIND. Call it once. */
export function allowUnwinding(): void {
  const session = new Session();
  session.connect();
  const clearContexts = contextCleaner();
  const unwind = (): boolean => {
    if (protectedDepth > 0 || !isCode(interruptedFrames())) return false;
    clearContexts();
    session.post("Runtime.terminateExecution");
    return true;
  };
  Object.defineProperty(globalThis, Symbol.for(ENTRY), { value: unwind });
}

/** A cell's code is known by its ambient signal. Between two microtasks (`for (;;) await null`) there is none. */
function isCode(frames: readonly NodeJS.CallSite[]): boolean {
  if (frames.length === 0) return false; // the thread is idle
  return ambient().signal !== undefined || frames.every((frame) => frame.getFileName()?.startsWith("node:internal/"));
}

/** The innermost frames below the inspector's expression, whatever the user did to stack traces. */
function interruptedFrames(): readonly NodeJS.CallSite[] {
  const { prepareStackTrace, stackTraceLimit } = Error;
  try {
    Error.stackTraceLimit = 10;
    Error.prepareStackTrace = (_error, frames) => frames;
    const frames = new Error().stack as unknown as readonly NodeJS.CallSite[];
    return frames.slice(3); // this function, `unwind` and the expression
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Node has no public way to reset its stack of contexts, and warns of this one; versions that lack it do not need it. */
function contextCleaner(): () => void {
  const quiet = process.noDeprecation;
  process.noDeprecation = true;
  try {
    const { binding } = process as unknown as { binding(name: string): { clearAsyncIdStack?(): void } };
    const wrap = binding.call(process, "async_wrap");
    return () => wrap.clearAsyncIdStack?.();
  } catch {
    return () => undefined;
  } finally {
    process.noDeprecation = quiet ?? false;
  }
}
