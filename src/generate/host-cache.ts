/** @file A cache in ordinary memory: a block for each layer's keys and values, which only moves when it grows. */
import type { Device } from "../backend/device.ts";
import type { DeviceTensor, Tensors } from "../backend/program.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { maskTensor } from "../models/inputs.ts";
import { tensor } from "../tensor.ts";
import {
  blockCount,
  blockName,
  type CacheRun,
  type CacheStep,
  grown,
  type KeyValueCache,
  PrefixLengths,
  placesOf,
  type ResidentPrefix,
} from "./cache.ts";

export class HostCache implements KeyValueCache {
  readonly #config: ChatGLMConfig;
  readonly #rows: number;
  #capacity: number;
  /** float32 [rows, groups, capacity, headSize], by layer and part. */
  readonly #blocks: Float32Array[];
  readonly #prefixes: PrefixLengths;
  readonly #download: Device["download"];

  constructor(config: ChatGLMConfig, rows: number, capacity: number, { download }: Pick<Device, "download">) {
    this.#config = config;
    this.#prefixes = new PrefixLengths(rows);
    this.#download = download;
    this.#rows = rows;
    this.#capacity = capacity;
    this.#blocks = Array.from({ length: blockCount(config) }, () => this.#allocate(capacity));
  }

  get capacity(): number {
    return this.#capacity;
  }

  async begin(step: CacheStep): Promise<CacheRun> {
    const { rows, seq, cacheRow, prefix } = step;
    const prefixes = this.#prefixes.of(step);
    this.#reserve(placesOf(rows, prefixes));
    const begins = rows.every(({ from }) => from === 0);
    if (begins && prefix) await this.#lead(prefix, cacheRow ?? 0, rows.length);
    const places = begins && !prefix ? 0 : this.#capacity;
    const mask = maskTensor(this.#config, rows, seq, places, prefixes);
    return {
      use: "appending",
      inputs: { mask, ...this.#past(places, cacheRow) },
      done: (results) => this.#append(results, step, prefixes),
    };
  }

  dispose(): void {
    this.#blocks.length = 0;
  }

  /** What is there stays. */
  #reserve(tokens: number): void {
    if (tokens <= this.#capacity) return;
    const { groups, headSize, contextLength } = this.#config;
    const capacity = grown(this.#capacity, tokens, contextLength);
    const [from, to] = [this.#capacity * headSize, capacity * headSize];
    // One after the other: all are not in memory twice.
    for (const [at, old] of this.#blocks.entries()) {
      const larger = this.#allocate(capacity);
      for (let i = 0; i < this.#rows * groups; i += 1) larger.set(old.subarray(i * from, (i + 1) * from), i * to);
      this.#blocks[at] = larger;
    }
    this.#capacity = capacity;
  }

  /** What a graph reads of all rows or of one, without a copy: all places, or none where rows begin. */
  #past(places: number, row?: number): Tensors {
    const { groups, headSize } = this.#config;
    const shape = [row === undefined ? this.#rows : 1, groups, places, headSize];
    const size = groups * places * headSize;
    const from = (row ?? 0) * size;
    const view = (block: Float32Array) => block.subarray(from, from + (shape[0] as number) * size);
    return Object.fromEntries(
      this.#blocks.map((block, i) => [blockName(i, "past"), tensor("float32", shape, view(block))]),
    );
  }

  /** Writes what some rows begin with. */
  async #lead({ length, blocks }: ResidentPrefix, first: number, rows: number): Promise<void> {
    const { groups, headSize } = this.#config;
    const size = length * headSize;
    for (const [i, block] of this.#blocks.entries()) {
      const { data } = await this.#download(blocks[i] as DeviceTensor);
      for (let at = first * groups; at < (first + rows) * groups; at += 1) {
        const group = at % groups;
        block.set((data as Float32Array).subarray(group * size, (group + 1) * size), at * this.#capacity * headSize);
      }
    }
  }

  /** Takes a graph's keys and values [rows, groups, seq, headSize] of new tokens, for all rows or for one. */
  #append(results: Tensors, { rows, seq, cacheRow: row = 0 }: CacheStep, prefixes: readonly number[]): void {
    const { groups, headSize } = this.#config;
    for (const [i, block] of this.#blocks.entries()) {
      const fresh = results[blockName(i, "fresh")]?.data as Float32Array;
      for (const [r, { from, ids }] of rows.entries()) {
        const count = ids.length - from;
        for (let group = 0; group < groups; group += 1) {
          const source = (r * groups + group) * seq;
          const target = ((row + r) * groups + group) * this.#capacity + (prefixes[r] as number) + from;
          block.set(fresh.subarray(source * headSize, (source + count) * headSize), target * headSize);
        }
      }
    }
  }

  #allocate(capacity: number): Float32Array {
    return new Float32Array(this.#rows * this.#config.groups * capacity * this.#config.headSize);
  }
}
