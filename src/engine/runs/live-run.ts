/** @file A run while it goes: what it has told so far, for everybody who watches it, from its start. */
import type { FitEvent } from "../../train/trainer.ts";

export class LiveRun {
  readonly #events: FitEvent[] = [];
  readonly #stop: () => void;
  #wake: (() => void)[] = [];
  #isOver = false;
  #failure: { readonly error: unknown } | undefined;
  /** Settles when it is over, however. */
  readonly over: Promise<void>;
  #end: () => void = () => undefined;

  /** @param stop ends it after its step */
  constructor(stop: () => void) {
    this.#stop = stop;
    this.over = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /** The last step that was told; 0 before the first. */
  get step(): number {
    const last = this.#events.findLast(({ type }) => type === "step");
    return last?.type === "step" ? last.step : 0;
  }

  tell(event: FitEvent): void {
    this.#events.push(event);
    this.#wakeAll();
  }

  /** @param failure what it ended with, if it did not end well */
  end(failure?: { readonly error: unknown }): void {
    this.#failure = failure;
    this.#isOver = true;
    this.#wakeAll();
    this.#end();
  }

  stop(): void {
    this.#stop();
  }

  /** All that it has told and tells, until it is over. To stop watching does nothing to it. */
  async *watch(signal?: AbortSignal): AsyncGenerator<FitEvent, void, void> {
    const wake = (): void => this.#wakeAll();
    signal?.addEventListener("abort", wake, { once: true });
    try {
      for (let at = 0; ; ) {
        signal?.throwIfAborted();
        const event = this.#events[at];
        if (event) {
          at += 1;
          yield event;
        } else if (this.#isOver) {
          if (this.#failure) throw this.#failure.error;
          return;
        } else await new Promise<void>((resolve) => this.#wake.push(resolve));
      }
    } finally {
      signal?.removeEventListener("abort", wake);
    }
  }

  #wakeAll(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }
}
