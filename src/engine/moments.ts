/** @file What optimisers remember of one adapter between their steps; it is kept with the adapter's values, as of one moment. */
import type { Remembered } from "../train/learner.ts";
import { copiedStepState, type StepState } from "../train/step-state.ts";

/** States by the optimiser's id, the one used last at the end. */
export type OptimizerStates = ReadonlyMap<string, StepState>;

/** Every run of a cell makes another optimiser, and each takes twice the memory of the adapter: those used last stay. */
const KEPT = 2;

/** In ordinary memory. */
export class HostMoments implements Remembered {
  /** Changed in place by the steps. */
  readonly state: StepState;

  constructor(state: StepState) {
    this.state = state;
  }

  get step(): number {
    return this.state.step;
  }

  async copy(): Promise<StepState> {
    return copiedStepState(this.state);
  }

  release(): void {}
}

export class Moments {
  readonly #states: Map<string, Remembered>;

  constructor(states: OptimizerStates = new Map()) {
    this.#states = new Map([...states].map(([id, state]) => [id, new HostMoments(state)]));
  }

  /** Steps that an optimiser has taken, as far as is known here. */
  steps(optimizer: string): number {
    return this.#states.get(optimizer)?.step ?? 0;
  }

  /** What an optimiser that has taken steps remembers. */
  of(optimizer: string): Remembered | undefined {
    return this.#states.get(optimizer);
  }

  /** A step was taken with this: it is the one that was used last, and the one that was not for longest goes. */
  used(optimizer: string, remembered: Remembered): void {
    this.#states.delete(optimizer);
    this.#states.set(optimizer, remembered);
    for (const [id, other] of this.#states) {
      if (this.#states.size <= KEPT) break;
      this.#states.delete(id);
      other.release();
    }
  }

  /** It is the same, in another place. */
  moved(optimizer: string, remembered: Remembered): void {
    this.#states.set(optimizer, remembered);
  }

  /** Brings all of it into ordinary memory. */
  async home(): Promise<void> {
    for (const [id, remembered] of [...this.#states]) {
      if (remembered instanceof HostMoments) continue;
      this.#states.set(id, new HostMoments(await remembered.copy()));
      remembered.release();
    }
  }

  /** What is not in ordinary memory is lost. */
  lose(): void {
    for (const [id, remembered] of [...this.#states]) if (!(remembered instanceof HostMoments)) this.#states.delete(id);
  }

  /** All of them, as they are at the moment of the call. */
  async copy(): Promise<OptimizerStates> {
    return new Map(
      await Promise.all([...this.#states].map(async ([id, remembered]) => [id, await remembered.copy()] as const)),
    );
  }
}
