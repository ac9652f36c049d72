/** @file The line that says how many parameters train, in PEFT's words and digits. */
import type { MimeBundle } from "../ambient.ts";
import type { AdapterInfo } from "../engine/engine.ts";

/** Shows itself as its line, whether it is a cell's value, printed or put in a string. */
export class TrainableSummary {
  readonly trainable: number;
  readonly all: number;

  constructor({ trainableCount, allCount }: Pick<AdapterInfo, "trainableCount" | "allCount">) {
    this.trainable = trainableCount;
    this.all = allCount;
  }

  /** Percent of all parameters that train. */
  get percent(): number {
    return (100 * this.trainable) / this.all;
  }

  toString(): string {
    const count = (value: number): string => value.toLocaleString("en-US");
    return `trainable params: ${count(this.trainable)} || all params: ${count(this.all)} || trainable%: ${pythonFloat(this.percent)}`;
  }
}

// Set apart from the class: declarations cannot name these symbols.
Object.defineProperties(TrainableSummary.prototype, {
  /** What notebook kernels look for on a value they show. */
  [Symbol.for("Jupyter.display")]: {
    value(this: TrainableSummary): MimeBundle {
      return { "text/plain": this.toString() };
    },
  },
  /** What Node's console looks for. */
  [Symbol.for("nodejs.util.inspect.custom")]: {
    value(this: TrainableSummary): string {
      return this.toString();
    },
  },
});

/** A number as Python's `repr` writes it: the same shortest digits, other habits. */
function pythonFloat(value: number): string {
  if (Number.isInteger(value)) return value.toFixed(1);
  if (Math.abs(value) >= 1e-4) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, "e$10$2");
}
