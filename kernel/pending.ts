/** @file The interrupt that is under way, as the cell thread sees it also in the middle of synchronous code. */

/** Each thread makes one over the same memory. */
export class PendingInterrupt {
  readonly memory: SharedArrayBuffer;
  readonly #id: Int32Array;
  #taken = 0;

  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#id = new Int32Array(memory);
  }

  /** The server thread has asked for an interrupt of this id, which is not 0. */
  begin(id: number): void {
    Atomics.store(this.#id, 0, id);
  }

  /** It has been answered. */
  end(): void {
    Atomics.store(this.#id, 0, 0);
  }

  /** The cell thread: the id of an interrupt that it has not taken note of. Told once for each. */
  take(): number | undefined {
    const id = Atomics.load(this.#id, 0);
    if (id === 0 || id === this.#taken) return undefined;
    this.#taken = id;
    return id;
  }
}
