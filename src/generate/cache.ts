/** @file The keys and values of past tokens: one block of memory a layer, grown when needed, written by the graph in place. */
import type { Tensors } from "../graph/program.ts";
import { cachedHeadSize, cacheName } from "../models/attention.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { tensor } from "../tensor.ts";

const PARTS = ["key", "value"] as const;

/** Memory for `rows` sequences of up to `capacity` tokens each. */
export class KeyValueCache {
  readonly #config: ChatGLMConfig;
  /** Width of a head, as the graph has it. */
  readonly #width: number;
  readonly #rows: number;
  #capacity: number;
  /** float32 [rows, groups, capacity, width], by layer and part. */
  #blocks: Float32Array[];

  constructor(config: ChatGLMConfig, rows: number, capacity: number) {
    this.#config = config;
    this.#width = cachedHeadSize(config);
    this.#rows = rows;
    this.#capacity = capacity;
    this.#blocks = Array.from({ length: PARTS.length * config.layers }, () => this.#allocate(capacity));
  }

  /** Makes room for `tokens` in each row; what is there stays. */
  reserve(tokens: number): void {
    if (tokens <= this.#capacity) return;
    const capacity = Math.max(tokens, 2 * this.#capacity);
    const { groups } = this.#config;
    const [from, to] = [this.#capacity * this.#width, capacity * this.#width];
    this.#blocks = this.#blocks.map((old) => {
      const grown = this.#allocate(capacity);
      for (let i = 0; i < this.#rows * groups; i += 1) grown.set(old.subarray(i * from, (i + 1) * from), i * to);
      return grown;
    });
    this.#capacity = capacity;
  }

  /** The graph's cache inputs and outputs, for all rows or for one: the same memory, so that it is written in place. */
  tensors(row?: number): { readonly past: Tensors; readonly present: Tensors } {
    const past: Tensors = {};
    const present: Tensors = {};
    const { layers, groups } = this.#config;
    const size = groups * this.#capacity * this.#width;
    const shape = [row === undefined ? this.#rows : 1, groups, this.#capacity, this.#width];
    for (let layer = 0; layer < layers; layer += 1) {
      for (const [i, part] of PARTS.entries()) {
        const block = this.#blocks[layer * PARTS.length + i] as Float32Array;
        const data = row === undefined ? block : block.subarray(row * size, (row + 1) * size);
        past[cacheName(layer, part, "past")] = tensor("float32", shape, data);
        present[cacheName(layer, part, "present")] = tensor("float32", shape, data);
      }
    }
    return { past, present };
  }

  /** Takes the keys and values [rows, groups, seq, headSize] of rows that begin, for all rows or for one. */
  begin(present: Tensors, seq: number, row?: number): void {
    const { layers, groups, headSize } = this.#config;
    const heads = groups * (row === undefined ? this.#rows : 1);
    const first = groups * (row ?? 0);
    // Tokens that lie side by side in both places go at once.
    const run = this.#width === headSize ? seq : 1;
    for (let layer = 0; layer < layers; layer += 1) {
      for (const [i, part] of PARTS.entries()) {
        const block = this.#blocks[layer * PARTS.length + i] as Float32Array;
        const made = present[cacheName(layer, part, "present")]?.data as Float32Array;
        for (let token = 0; token < heads * seq; token += run) {
          const at = (first + Math.floor(token / seq)) * this.#capacity + (token % seq);
          block.set(made.subarray(token * headSize, (token + run) * headSize), at * this.#width);
        }
      }
    }
  }

  #allocate(capacity: number): Float32Array {
    return new Float32Array(this.#rows * this.#config.groups * capacity * this.#width);
  }
}
