/** @file What every experiment has: the model, how large it may be, where it may write, and how it says what it found. */
import type { ChatGLM, TeachSettings } from "../../src/index.ts";

/** How much of everything: of the experiments, or of a trial of the script. */
export interface Sizes {
  /** Where a book stops however little it knows; absent: its own budget. */
  readonly steps?: number;
  /** Facts of `oldRecipe`. */
  readonly facts: number;
  /** Facts of `together`, which are also taught one after the other. */
  readonly inTurn: number;
  readonly group: number;
  /** How many facts are taught when those taught so far are asked. */
  readonly askedAt: readonly number[];
  /** Optimiser steps of the old recipe. */
  readonly oldSteps: number;
  readonly capacity: {
    readonly facts: readonly number[];
    readonly ranks: readonly number[];
    /** Of every point: a multiple of each number of facts over 8. */
    readonly steps: number;
  };
  readonly similarity: { readonly facts: number; readonly askedAt: readonly number[] };
  readonly rehearsal: { readonly facts: number; readonly perStep: readonly number[] };
}

export interface Laboratory {
  readonly glm: ChatGLM;
  readonly sizes: Sizes;
  readonly seed: number;
  /** A folder that is removed at the end. */
  readonly workspace: string;
  say(line: string): void;
}

/** How a book teaches here. */
export function settingsOf({ sizes, seed }: Laboratory): TeachSettings {
  return { seed, steps: sizes.steps };
}

/** Adds up the seconds that work takes. */
export class Clock {
  #milliseconds = 0;

  async run<T>(work: () => Promise<T>): Promise<T> {
    const started = performance.now();
    try {
      return await work();
    } finally {
      this.#milliseconds += performance.now() - started;
    }
  }

  /** To a tenth. */
  get seconds(): number {
    return Math.round(this.#milliseconds / 100) / 10;
  }
}
