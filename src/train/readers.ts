/**
 * @file Who reads values that change in two places by turns: a change is written where the values before the last ones were,
 * and waits only for those who still read these.
 */
export class Readers {
  /** Of the values as they are now. */
  #present = new Set<Promise<unknown>>();
  /** Of those before the last change. */
  #earlier = new Set<Promise<unknown>>();

  /** @param read takes what it reads at once, and may go on reading that until it ends */
  read<T>(read: () => Promise<T>): Promise<T> {
    const readers = this.#present;
    const result = read();
    const end = result.then(forget, forget);
    readers.add(end);
    return result;

    function forget(): void {
      readers.delete(end);
    }
  }

  /** Waits for those who read what the next change is written over. */
  async earlier(): Promise<void> {
    await Promise.all(this.#earlier);
  }

  /** To be called when the values have become others, which `earlier` was waited for. */
  changed(): void {
    this.#earlier = this.#present;
    this.#present = new Set();
  }

  /** Waits for all who read, also those who begin meanwhile. */
  async all(): Promise<void> {
    while (this.#present.size + this.#earlier.size > 0) await Promise.all([...this.#earlier, ...this.#present]);
  }
}
