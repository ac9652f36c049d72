/** @file What an interrupted cell still ends in order, such as a job on other machines that finishes its step. */

export class Endings {
  readonly #works = new Set<Promise<unknown>>();

  add(work: Promise<unknown>): void {
    const over = (): unknown => this.#works.delete(work);
    this.#works.add(work);
    work.then(over, over);
  }

  get areOver(): boolean {
    return this.#works.size === 0;
  }

  /** Waits for those that are known now. */
  async over(): Promise<void> {
    await Promise.allSettled(this.#works);
  }
}
