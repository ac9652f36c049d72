/** @file One piece of work with many readers: it runs once, and stops when the last reader has left. */
import { Inbox } from "./inbox.ts";

export class Broadcast<T> {
  readonly #abort = new AbortController();
  readonly #readers = new Set<Inbox<T>>();
  #latest: { readonly event: T } | undefined;
  #over = false;

  /** @param start starts the work; its signal is aborted when nobody reads any more */
  constructor(start: (signal: AbortSignal) => AsyncIterable<T>) {
    void this.#pump(start);
  }

  /** Whether a reader who comes now still gets the end of it. */
  get running(): boolean {
    return !this.#over && !this.#abort.signal.aborted;
  }

  /** Reads from the latest event on. */
  async *read(signal?: AbortSignal): AsyncGenerator<T, void, void> {
    const inbox = new Inbox<T>();
    const stop = (): void => inbox.abort(signal?.reason);
    signal?.throwIfAborted();
    signal?.addEventListener("abort", stop, { once: true });
    this.#readers.add(inbox);
    if (this.#latest) inbox.add(this.#latest.event);
    try {
      for (let next = await inbox.next(); next; next = await inbox.next()) yield next.event;
    } finally {
      signal?.removeEventListener("abort", stop);
      this.#readers.delete(inbox);
      if (this.#readers.size === 0 && !this.#over) this.#abort.abort();
    }
  }

  async #pump(start: (signal: AbortSignal) => AsyncIterable<T>): Promise<void> {
    try {
      for await (const event of start(this.#abort.signal)) {
        this.#latest = { event };
        for (const reader of this.#readers) reader.add(event);
      }
      this.#over = true;
      for (const reader of this.#readers) reader.end();
    } catch (error) {
      this.#over = true;
      for (const reader of this.#readers) reader.fail(() => error);
    }
  }
}
