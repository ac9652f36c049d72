/** @file Keys and values of past tokens: what a run reads of them, and what it adds. */
import type { DeviceTensor, Fed, Tensors } from "../backend/program.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { TokenRow } from "../models/inputs.ts";
import { type CacheUse, cacheName } from "./forward.ts";

/** Keys and values before the tokens of a row, on the device: [1, groups, length, headSize] in the order of a cache's blocks. */
export interface ResidentPrefix {
  readonly length: number;
  readonly blocks: readonly DeviceTensor[];
}

/** Tokens that a run adds to a cache: of all its rows, or of one. */
export interface CacheStep {
  readonly rows: readonly TokenRow[];
  /** New tokens of the longest row. */
  readonly seq: number;
  /** The one row of the cache; all when absent. */
  readonly cacheRow?: number | undefined;
  /** What rows have before their tokens, if these are their first. */
  readonly prefix?: ResidentPrefix | undefined;
}

/** How a run meets the cache. */
export interface CacheRun {
  readonly use: CacheUse;
  readonly inputs: Fed;
  /** Outputs that stay where the cache is. */
  readonly into?: Readonly<Record<string, DeviceTensor>>;
  /** To be told the other outputs. */
  done(results: Tensors): void;
}

/** Memory for several sequences of up to `capacity` tokens each, which grows. */
export interface KeyValueCache {
  readonly capacity: number;
  /** Makes room, and says what a run over these tokens takes. */
  begin(step: CacheStep): Promise<CacheRun>;
  /** Gives its memory back. */
  dispose(): void;
}

/** How many places each row of a cache has before its tokens. */
export class PrefixLengths {
  readonly #lengths: number[];

  constructor(rows: number) {
    this.#lengths = new Array(rows).fill(0);
  }

  /** Those of a step's rows, which are kept where the rows begin. */
  of({ rows, cacheRow = 0, prefix }: CacheStep): readonly number[] {
    return rows.map(({ from }, r) => {
      if (from === 0) this.#lengths[cacheRow + r] = prefix?.length ?? 0;
      return this.#lengths[cacheRow + r] as number;
    });
  }
}

/** Places that the longest row of a step fills. */
export const placesOf = (rows: readonly TokenRow[], prefixes: readonly number[]): number =>
  Math.max(...rows.map(({ ids }, r) => ids.length + (prefixes[r] as number)));

const PARTS = ["keys", "values"] as const;

/** Blocks of memory that a cache is made of: one for each layer's keys, and one for its values. */
export const blockCount = ({ layers }: ChatGLMConfig): number => PARTS.length * layers;

/** What graphs call a block. */
export const blockName = (block: number, of: "past" | "fresh"): string =>
  cacheName(Math.floor(block / PARTS.length), PARTS[block % PARTS.length] as (typeof PARTS)[number], of);

/** Places for at least `tokens` where there were some: a little more than is needed, since graphs read all of it. */
export const grown = (capacity: number, tokens: number, most: number): number =>
  Math.max(tokens, Math.min(most, Math.ceil(1.25 * capacity)));
