/** @file The keys of past tokens and their values: a block of memory for each layer's, which only moves when it grows. */
import type { Tensors } from "../backend/program.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { tensor } from "../tensor.ts";
import { cacheName } from "./forward.ts";

const PARTS = ["keys", "values"] as const;

/** Tokens of a row: `count` new ones after the first `from`. */
interface Extent {
  readonly from: number;
  readonly count: number;
}

/** Memory for `rows` sequences of up to `capacity` tokens each. */
export class KeyValueCache {
  readonly #config: ChatGLMConfig;
  readonly #rows: number;
  #capacity: number;
  /** float32 [rows, groups, capacity, headSize], by layer and part. */
  readonly #blocks: Float32Array[];

  constructor(config: ChatGLMConfig, rows: number, capacity: number) {
    this.#config = config;
    this.#rows = rows;
    this.#capacity = capacity;
    this.#blocks = Array.from({ length: PARTS.length * config.layers }, () => this.#allocate(capacity));
  }

  /** Places for each row's tokens. */
  get capacity(): number {
    return this.#capacity;
  }

  /** Makes room for `tokens` in each row; what is there stays. A little more is made than is needed: graphs read it all. */
  reserve(tokens: number): void {
    if (tokens <= this.#capacity) return;
    const capacity = Math.max(tokens, Math.min(this.#config.contextLength, Math.ceil(1.25 * this.#capacity)));
    const { groups, headSize } = this.#config;
    const [from, to] = [this.#capacity * headSize, capacity * headSize];
    // One after the other: all are not in memory twice.
    for (const [at, old] of this.#blocks.entries()) {
      const grown = this.#allocate(capacity);
      for (let i = 0; i < this.#rows * groups; i += 1) grown.set(old.subarray(i * from, (i + 1) * from), i * to);
      this.#blocks[at] = grown;
    }
    this.#capacity = capacity;
  }

  /** What a graph reads of all rows or of one, without a copy; of no places at all where rows begin. */
  past(places: "all" | "none", row?: number): Tensors {
    const { groups, headSize } = this.#config;
    const capacity = places === "all" ? this.#capacity : 0;
    const shape = [row === undefined ? this.#rows : 1, groups, capacity, headSize];
    const size = groups * capacity * headSize;
    const from = (row ?? 0) * size;
    const view = (block: Float32Array) => block.subarray(from, from + (shape[0] as number) * size);
    return Object.fromEntries(
      this.#blocks.map((block, i) => [nameOf(i, "past"), tensor("float32", shape, view(block))]),
    );
  }

  /** Takes a graph's keys and values [rows, groups, seq, headSize] of new tokens, for all rows or for one. */
  append(results: Tensors, extents: readonly Extent[], seq: number, row = 0): void {
    const { groups, headSize } = this.#config;
    for (const [i, block] of this.#blocks.entries()) {
      const fresh = results[nameOf(i, "fresh")]?.data as Float32Array;
      for (const [r, { from, count }] of extents.entries()) {
        for (let group = 0; group < groups; group += 1) {
          const source = (r * groups + group) * seq;
          const target = ((row + r) * groups + group) * this.#capacity + from;
          block.set(fresh.subarray(source * headSize, (source + count) * headSize), target * headSize);
        }
      }
    }
  }

  #allocate(capacity: number): Float32Array {
    return new Float32Array(this.#rows * this.#config.groups * capacity * this.#config.headSize);
  }
}

const nameOf = (block: number, of: "past" | "fresh"): string =>
  cacheName(Math.floor(block / PARTS.length), PARTS[block % PARTS.length] as (typeof PARTS)[number], of);
