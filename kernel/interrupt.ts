/**
 * @file The server thread's side of an interrupt: asks the cell thread to end its cell, and when the cell has not ended
 * soon, terminates the code that the thread is stuck in. State, variables and timers of the process live on.
 */

import { PendingInterrupt } from "./pending.ts";
import { childrenNow, endProcesses } from "./processes.ts";
import { connectTerminator } from "./terminate.ts";

/** Milliseconds that a cell has to end, `finally` blocks included, before what runs in its thread is terminated. */
const PATIENCE = 350;
/** Milliseconds after which child processes that the thread may be waiting for (execSync) are interrupted in any case. */
const CHILD_PATIENCE = 1000;

/** One per kernel. */
export class Interrupter {
  readonly #ask: (id: number) => void;
  readonly #terminate: () => Promise<boolean> = connectTerminator();
  #id = 0;
  #since = 0;
  #timer: NodeJS.Timeout | undefined;
  #terminating = false;
  /** Child processes that were there before the cell. */
  #before: ReadonlySet<number> | undefined;

  readonly #pending: PendingInterrupt;

  /** @param ask sends the wish to the cell thread, which answers with `acknowledge` */
  constructor(ask: (id: number) => void, pending: PendingInterrupt = new PendingInterrupt()) {
    this.#ask = ask;
    this.#pending = pending;
  }

  /** A cell begins: what its thread starts from now on, and may wait for (execSync), is the cell's. */
  begin(): void {
    const children = childrenNow();
    this.#before = children && new Set(children);
  }

  /** Starts an interrupt; while one is under way it is the same one. */
  interrupt(): void {
    if (this.#timer !== undefined) return;
    this.#id++;
    this.#since = performance.now();
    this.#pending.begin(this.#id);
    this.#ask(this.#id);
    const before = this.#before;
    if (before) endProcesses((childrenNow() ?? []).filter((pid) => !before.has(pid)));
    this.#timer = setInterval(() => this.#insist(), PATIENCE);
  }

  /** The cell has ended. To have taken note is not enough: what it left running may get stuck a moment later. */
  acknowledge(id: number): void {
    if (id !== this.#id) return;
    this.#pending.end();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #insist(): void {
    if (performance.now() - this.#since > CHILD_PATIENCE) interruptChildren();
    // A thread inside a native call answers when the call returns; one question at a time is enough.
    if (this.#terminating) return;
    this.#terminating = true;
    const done = (): void => {
      this.#terminating = false;
      // Asked again, since the callback that was to take note may be what was terminated.
      if (this.#timer !== undefined) this.#ask(this.#id);
    };
    // What failed is tried again at the next turn of the timer.
    void this.#terminate().then(done, done);
  }
}

/** Jupyter makes each kernel the leader of a process group; without one there is nobody to tell. */
function interruptChildren(): void {
  if (process.platform === "win32") return;
  try {
    process.kill(-process.pid, "SIGINT");
  } catch {
    // Not a group leader.
  }
}
