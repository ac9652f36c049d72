/** @file Ctrl-C and SIGTERM: the first asks a command to end in good order, the second ends it. */
import { constants } from "node:os";

const SIGNALS = ["SIGINT", "SIGTERM"] as const;

/** The command was interrupted, and has said what is left of its work. */
export class InterruptedError extends Error {
  /** The exit code, as shells have it: 130 after Ctrl-C. */
  readonly status: number;

  constructor(status: number) {
    super("Interrupted.");
    this.status = status;
  }
}

export class Interrupts {
  readonly #abort = new AbortController();
  #told: (() => void) | undefined;
  #signal: (typeof SIGNALS)[number] | undefined;
  readonly #take = (signal: NodeJS.Signals): void => {
    if (this.#signal !== undefined) process.exit(this.status);
    this.#signal = signal as (typeof SIGNALS)[number];
    if (this.#told) this.#told();
    else this.#abort.abort();
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#take);
  }

  /** Aborted by the first interrupt, unless that is waited for otherwise. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isInterrupted(): boolean {
    return this.#signal !== undefined;
  }

  /** The exit code of what was interrupted. */
  get status(): number {
    return 128 + constants.signals[this.#signal ?? "SIGINT"];
  }

  /**
   * Does work that is to end by itself when it is interrupted, and is not aborted.
   * @param told once, by the first interrupt
   */
  async softly<T>(told: () => void, work: () => Promise<T>): Promise<T> {
    this.#told = told;
    try {
      return await work();
    } finally {
      this.#told = undefined;
    }
  }

  end(): void {
    for (const signal of SIGNALS) process.off(signal, this.#take);
  }
}
