/** @file An adapter's values: tensors in ordinary memory, which are behind while the values are trained on a device. */
import type { AdapterTensors } from "../adapters/adapter.ts";

export class AdapterValues {
  readonly tensors: AdapterTensors;
  /** Brings the values from where they are trained; absent while the tensors are the values. */
  #elsewhere: (() => Promise<AdapterTensors>) | undefined;
  /** Whether the tensors are not yet what was trained elsewhere. */
  #behind = false;
  #reading: Promise<void> = Promise.resolve();

  constructor(tensors: AdapterTensors) {
    this.tensors = tensors;
  }

  /**
   * They are trained elsewhere from now on, and the tensors are behind after every change.
   * @param read brings them from there
   */
  follow(read: () => Promise<AdapterTensors>): void {
    this.#elsewhere = read;
  }

  /** The tensors are the values again, as they were read last. */
  unfollow(): void {
    this.#elsewhere = undefined;
    this.#behind = false;
  }

  get isElsewhere(): boolean {
    return this.#elsewhere !== undefined;
  }

  changed(): void {
    this.#behind = this.#elsewhere !== undefined;
  }

  /** Brings the tensors up to date. */
  async current(): Promise<void> {
    if (this.#behind && this.#elsewhere) {
      this.#behind = false;
      this.#reading = this.#elsewhere().then((values) => {
        for (const [name, { data }] of Object.entries(values)) this.tensors[name]?.data.set(data);
      });
    }
    const reading = this.#reading;
    try {
      await reading;
    } catch (error) {
      if (this.#reading === reading) [this.#reading, this.#behind] = [Promise.resolve(), true];
      throw error;
    }
  }
}
