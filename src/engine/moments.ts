/** @file What optimisers remember of one adapter between their steps; it is kept with the adapter's values, as of one moment. */

import { copiedAll } from "../tensor.ts";
import type { OptimizerState } from "../train/optimizer.ts";

/** States by the optimiser's id, the one used last at the end. */
export type OptimizerStates = ReadonlyMap<string, OptimizerState>;

/** Every run of a cell makes another optimiser, and each takes twice the memory of the adapter: those used last stay. */
const KEPT = 2;

export class Moments {
  readonly #states: Map<string, OptimizerState>;

  constructor(states: OptimizerStates = new Map()) {
    this.#states = new Map(states);
  }

  /** Steps that an optimiser has taken, as far as is known here. */
  steps(optimizer: string): number {
    return this.#states.get(optimizer)?.step ?? 0;
  }

  /** The state of an optimiser that has taken steps. */
  of(optimizer: string): OptimizerState | undefined {
    return this.#states.get(optimizer);
  }

  /** A step was taken with this state: it is the one that was used last, and the one that was not for longest goes. */
  used(optimizer: string, state: OptimizerState): void {
    this.#states.delete(optimizer);
    this.#states.set(optimizer, state);
    for (const id of this.#states.keys()) {
      if (this.#states.size <= KEPT) break;
      this.#states.delete(id);
    }
  }

  /** All of them, as they are now. */
  copy(): OptimizerStates {
    return new Map(
      [...this.#states].map(([id, { step, mean, square }]) => [
        id,
        { step, mean: copiedAll(mean), square: copiedAll(square) },
      ]),
    );
  }
}
