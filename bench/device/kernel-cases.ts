/** @file Whose kernels are counted, and how the process that starts them and the one that counts them speak of it. */
import { structures } from "./shapes.ts";
import type { FormName } from "./weights.ts";

export type Work = "token" | "adapted token" | "training step";

export interface KernelCase {
  /** By its name among `structures`. */
  readonly structure: keyof typeof structures;
  readonly form: FormName;
  readonly layers: number;
}

/** Two numbers of layers tell what a layer takes and what the rest. */
export const LAYERS = [1, 3] as const;

/** Every structure in float32; the first, which stands for all, in every form. */
export function countedCases(): KernelCase[] {
  const [first = "", ...others] = Object.keys(structures);
  const all: FormName[] = ["float32", "float16", "int8", "int8-fast", "int4", "int4-fast"];
  const pairs = [
    ...all.map((form) => ({ structure: first, form })),
    ...others.map((structure) => ({ structure, form: "float32" as const })),
  ];
  return pairs.flatMap((pair) => LAYERS.map((layers) => ({ ...pair, layers })));
}

const MARK = "glmlab counts kernels: ";
export const marker = (one: KernelCase & { readonly work: Work }): string => MARK + keyOf(one);
export const NOTHING_COUNTED: string = MARK;

export const keyOf = ({ structure, form, layers, work }: KernelCase & { readonly work: Work }): string =>
  [structure, form, layers, work].join(" / ");

/** What a line of onnxruntime's log begins with when a kernel is started; its name follows. */
const STARTED = /Starting program "(\w+)/;

/** Reads the log line by line. */
export class KernelCounter {
  /** Kernels started, by `keyOf`. */
  readonly counts: Map<string, number> = new Map();
  #key = "";

  read(line: string): void {
    if (line.startsWith(MARK)) this.#key = line.slice(MARK.length);
    else if (this.#key !== "" && STARTED.test(line)) this.counts.set(this.#key, (this.counts.get(this.#key) ?? 0) + 1);
  }
}
