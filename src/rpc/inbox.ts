/** @file What has arrived for one reader of a stream and was not read yet. */

export class Inbox<T> {
  readonly #events: T[] = [];
  readonly #ended: Promise<void>;
  #settle: () => void = () => undefined;
  #wake: (() => void) | undefined;
  #over = false;
  #failure: (() => unknown) | undefined;

  constructor() {
    this.#ended = new Promise((resolve) => {
      this.#settle = resolve;
    });
  }

  add(event: T): void {
    this.#events.push(event);
    this.#wake?.();
  }

  /** Nothing more will come. What is there is still read. */
  end(): void {
    this.#over = true;
    this.#settle();
    this.#wake?.();
  }

  /**
   * Nothing more will come, because of an error; the reader meets it after the events that came before it.
   * @param failure makes the error where the reader meets it, so that its stack leads to the reader
   */
  fail(failure: () => unknown): void {
    this.#failure ??= failure;
    this.end();
  }

  /** The reader gives up: it gets this error at once. */
  abort(error: unknown): void {
    this.#events.length = 0;
    this.#failure = () => error;
    this.#over = true;
    this.#wake?.();
  }

  /** The next event, or undefined at the end. */
  async next(): Promise<{ readonly event: T } | undefined> {
    while (this.#events.length === 0 && !this.#over) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    if (this.#events.length > 0) return { event: this.#events.shift() as T };
    if (this.#failure) throw this.#failure();
    return undefined;
  }

  /** Settles when the other side has said that nothing more will come. */
  ended(): Promise<void> {
    return this.#ended;
  }
}
