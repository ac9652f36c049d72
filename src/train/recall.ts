/** @file Which rows are known to be answered exactly, and which are worth the next training step. */
import { randomStream, shuffled } from "../random.ts";
import { drawn } from "./examples.ts";

/** Rows by index: first the lessons, then those that are only to be kept. */
export class Recall {
  /** By row: whether it was answered exactly when it was last asked. Kept rows count as answered until they are asked. */
  readonly #known: boolean[];
  readonly #lessons: number;
  readonly #seed: number;
  /** Rows that are still to come in this pass over what is not known. */
  #queue: number[] = [];
  #passes = 0;

  constructor(rows: number, lessons: number, seed: number) {
    this.#known = Array.from({ length: rows }, (_, i) => i >= lessons);
    this.#lessons = lessons;
    this.#seed = seed;
  }

  /** Rows that are not known to be answered. */
  pending(): number[] {
    return [...this.#known.keys()].filter((i) => !this.#known[i]);
  }

  mark(rows: readonly number[], recalled: readonly boolean[]): void {
    for (const [place, row] of rows.entries()) this.#known[row] = recalled[place] === true;
  }

  /** How many rows are known. */
  get count(): number {
    return this.#known.filter(Boolean).length;
  }

  /** The lessons' flags as they are now. */
  lessons(): boolean[] {
    return this.#known.slice(0, this.#lessons);
  }

  /**
   * Rows for a step: what is not known comes first, each once before any comes again; known lessons fill up the step.
   * @param step makes the choice reproducible
   */
  draw(count: number, step: number): number[] {
    const chosen: number[] = [];
    const pending = new Set(this.pending());
    const wanted = Math.min(count, pending.size);
    this.#queue = this.#queue.filter((row) => pending.has(row));
    while (chosen.length < wanted) {
      if (this.#queue.length === 0) {
        this.#queue = shuffled(randomStream(this.#seed, "lessons", this.#passes++), [...pending]);
      }
      // A row that this step has from the pass before keeps its turn in the new one.
      const place = this.#queue.findIndex((row) => !chosen.includes(row));
      chosen.push(...this.#queue.splice(place, 1));
    }
    const known = [...Array(this.#lessons).keys()].filter((row) => !chosen.includes(row));
    return [...chosen, ...drawn(known, count - chosen.length, randomStream(this.#seed, "known", step))];
  }
}
