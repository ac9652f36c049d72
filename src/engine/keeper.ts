/** @file When what is in memory goes to the disk: soon after it has changed, and again until that succeeds. */

/** What changes is written this often, in milliseconds: the most that a crash can cost, unless writing takes long. */
export const KEEP_EVERY = 2000;

/** Of the time, what writing may take of it: what is large is written less often. */
const LARGEST_SHARE = 0.1;

export class Keeper {
  readonly #copy: () => () => Promise<void>;
  #timer: NodeJS.Timeout | undefined;
  #keeping: Promise<void> = Promise.resolve();
  #pause = KEEP_EVERY;
  #failure: Error | undefined;
  #stopped = false;

  /** @param copy takes what is there now, and returns what writes that: what changes meanwhile must not mix with it */
  constructor(copy: () => () => Promise<void>) {
    this.#copy = copy;
  }

  /** Why the last attempt failed; undefined when it did not. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** To be called after every change. */
  soon(): NodeJS.Timeout | undefined {
    if (this.#stopped) return undefined;
    this.#timer ??= setTimeout(() => void this.now().catch(() => undefined), this.#pause);
    return this.#timer;
  }

  /** Writes what is there now, after what is being written. */
  now(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#stopped) return this.#keeping;
    const write = this.#copy();
    let begun = 0;
    const writing = this.#keeping
      .catch(() => undefined)
      .then(() => {
        begun = performance.now();
        return write();
      });
    this.#keeping = writing.then(
      () => {
        this.#failure = undefined;
        this.#pause = Math.max(KEEP_EVERY, (performance.now() - begun) / LARGEST_SHARE);
      },
      (error: Error) => {
        this.#failure = error;
        // Tried again, for as long as it lives; that alone keeps no process alive.
        this.soon()?.unref();
        throw error;
      },
    );
    this.#keeping.catch(() => undefined);
    return this.#keeping;
  }

  /** Writes what is still to be written, if anything is. */
  async settle(): Promise<void> {
    if (this.#timer) await this.now();
    else await this.#keeping;
  }

  /** What has changed since it was written is not worth it. */
  forget(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  /** Nothing will be written any more; what was, stays. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#stopped = true;
    await this.#keeping.catch(() => undefined);
  }

  /** Takes back `stop`. */
  resume(): void {
    this.#stopped = false;
    this.soon();
  }
}
