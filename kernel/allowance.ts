/** @file How much a cell may put out: much at once, and then as much a second as front ends take. */

/**
 * UTF-16 units. The Jupyter server lets a megabyte a second through; what a loop prints without end would fill the memory
 * of whoever reads it.
 */
export const ALLOWED = { atOnce: 32_000_000, aSecond: 1_000_000 } as const;

/** Of one cell. Once it is used up, nothing passes until a second's worth has come together. */
export class Allowance {
  #left: number = ALLOWED.atOnce;
  #isUsedUp = false;
  /** Milliseconds, by the monotonic clock. */
  #at = performance.now();

  /** How many of these units may pass now; either all or, with `whole`, none. */
  take(units: number, whole = false): number {
    if (!this.#isUsedUp && units <= this.#left) {
      this.#left -= units;
      return units;
    }
    const now = performance.now();
    this.#left = Math.min(ALLOWED.atOnce, this.#left + ((now - this.#at) / 1000) * ALLOWED.aSecond);
    this.#at = now;
    if (this.#isUsedUp && this.#left < ALLOWED.aSecond) return 0;
    this.#isUsedUp = units > this.#left;
    if (this.#isUsedUp && whole) return 0;
    const taken = Math.min(units, Math.floor(this.#left));
    this.#left -= taken;
    return taken;
  }
}
