/** @file How far matrices that were written in fewer bits are from what they were to be. */
import { GlmError } from "../errors.ts";

/** Over all elements of all matrices. */
export interface Deviation {
  readonly matrices: number;
  /** The largest |written - meant|. */
  readonly max: number;
  /** ‖written - meant‖ / ‖meant‖, Euclidean norms. */
  readonly relative: number;
  /** ‖written - meant‖ / ‖meant - before‖ over those that change: near 0 all of the change is there, at 1 it is lost in rounding. */
  readonly ofChange?: number;
}

export class DeviationSum {
  #matrices = 0;
  #max = 0;
  #difference = 0;
  #norm = 0;
  #changed = { difference: 0, norm: 0 };

  get total(): Deviation {
    const relative = this.#norm === 0 ? 0 : Math.sqrt(this.#difference / this.#norm);
    const ofChange = Math.sqrt(this.#changed.difference / this.#changed.norm);
    return {
      ...{ matrices: this.#matrices, max: this.#max, relative },
      ...(this.#changed.norm === 0 ? {} : { ofChange }),
    };
  }

  /**
   * @param name for messages
   * @param before what it was, where it may change
   * @throws GlmError "unsupported" for numbers that the written form cannot hold
   */
  add(name: string, meant: Float32Array, written: Float32Array, before?: Float32Array): void {
    let [max, difference, norm] = [0, 0, 0];
    for (let i = 0; i < meant.length; i += 1) {
      const value = meant[i] as number;
      const gap = Math.abs((written[i] as number) - value);
      // Not by Math.max, which a NaN would pass as well, later.
      if (!(gap <= max)) max = gap;
      difference += gap * gap;
      norm += value * value;
    }
    if (!Number.isFinite(max)) {
      throw new GlmError(
        "unsupported",
        `${name}: expected numbers up to 65504, which float16 and the published int8 and int4 hold, got larger ones with what is merged. ` +
          "Load the model without quantize, and save it from there.",
      );
    }
    this.#matrices += 1;
    this.#max = Math.max(this.#max, max);
    this.#difference += difference;
    this.#norm += norm;
    if (!before) return;
    let change = 0;
    for (let i = 0; i < meant.length; i += 1) change += ((meant[i] as number) - (before[i] as number)) ** 2;
    // An adapter may target what it leaves as it was: what rounding does there is no loss of a change.
    if (change === 0) return;
    this.#changed.difference += difference;
    this.#changed.norm += change;
  }
}
