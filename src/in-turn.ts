/** @file Work that is done one after another. */

/** Takes work, and does it after all that it was given before, however that ended. */
export function inTurn(): <T>(work: () => Promise<T>) => Promise<T> {
  let last: Promise<unknown> = Promise.resolve();
  return (work) => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };
}

/** The same, for each key by itself. */
export class InTurnByKey<K> {
  /** The end of what was given last; a key that nobody waits for takes no memory. */
  readonly #ends = new Map<K, Promise<void>>();

  /** Does the work after all that was given for this key before, however that ended. Its work must not wait for its own key. */
  do<T>(key: K, work: () => Promise<T>): Promise<T> {
    const result = (this.#ends.get(key) ?? Promise.resolve()).then(work);
    const forget = (): void => {
      if (this.#ends.get(key) === end) this.#ends.delete(key);
    };
    const end: Promise<void> = result.then(forget, forget);
    this.#ends.set(key, end);
    return result;
  }

  /** Ends when all that was given until now has ended. */
  async idle(): Promise<void> {
    await Promise.all(this.#ends.values());
  }
}
