/** @file What optimisers remember of one adapter between their steps; it is kept with the adapter's values, as of one moment. */

import { copiedAll, type FloatTensor } from "../tensor.ts";
import { adamW, type OptimizerState } from "../train/optimizer.ts";

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

  /** The state to take a step with; it becomes the one that was used last. */
  use(optimizer: string, parameters: Readonly<Record<string, FloatTensor>>): OptimizerState {
    const state = this.#states.get(optimizer) ?? adamW.init(parameters);
    this.#states.delete(optimizer);
    this.#states.set(optimizer, state);
    for (const id of this.#states.keys()) {
      if (this.#states.size <= KEPT) break;
      this.#states.delete(id);
    }
    return state;
  }

  /** Those that have taken a step, as they are now. */
  copy(): OptimizerStates {
    const taken = [...this.#states].filter(([, { step }]) => step > 0);
    return new Map(
      taken.map(([id, { step, mean, square }]) => [id, { step, mean: copiedAll(mean), square: copiedAll(square) }]),
    );
  }
}
