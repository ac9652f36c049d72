/** @file A model that runs forward: its compiled graph, its angles, and the adapters' tensors in the form the graph wants. */
import type { AdapterEffect } from "../adapters/adapter.ts";
import { slotTensors } from "../adapters/slots.ts";
import { FewPrograms } from "../backend/few-programs.ts";
import type { Compile, Program, Tensors } from "../backend/program.ts";
import { modulesOf } from "../models/architectures.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { BindWeights, ModuleSpec } from "../models/context.ts";
import { maskTensor, type TokenRow, tokenTensors } from "../models/inputs.ts";
import { rotaryTables } from "../models/rotary.ts";
import { type FloatTensor, type Tensor, tensor } from "../tensor.ts";
import { KeyValueCache } from "./cache.ts";
import { forwardGraph } from "./forward.ts";

/** Rare kinds of runs that are compiled at a time: those of two sets of base parameters that adapters replace. */
const FEW = 2;

/** A run that takes more than so many bytes gives them back when it is over. */
const LARGE_RUN = 512 * 2 ** 20;

/** One run of a graph. */
export interface Step {
  /** The tokens of each row so far; those before `from` are in the cache already. */
  readonly rows: readonly TokenRow[];
  /** Which of the new tokens' logits are wanted, the same for each row. */
  readonly positions: readonly number[];
  readonly effects: readonly (AdapterEffect | undefined)[];
  readonly cache: KeyValueCache;
  /** The cache row of a step with a single row; without it a step has all the cache's rows. */
  readonly cacheRow?: number;
}

export class ForwardModel {
  readonly config: ChatGLMConfig;
  readonly #modules: readonly ModuleSpec[];
  readonly #weights: BindWeights;
  readonly #compile: Compile;
  /** For the rare kinds of runs, of which few are kept; the common one stays. */
  readonly #few: FewPrograms;
  /** By the names of base parameters that are fed rather than bound, and by whether its memory is given back. */
  readonly #programs = new Map<string, Promise<Program>>();
  /** The slots' tensors of single effects; swapping back to an adapter costs a look-up. */
  readonly #slots = new WeakMap<AdapterEffect, Tensors>();
  #none: Tensors | undefined;
  #angles: { readonly cos: FloatTensor; readonly sin: FloatTensor } | undefined;

  constructor(config: ChatGLMConfig, weights: BindWeights, compile: Compile) {
    this.config = config;
    this.#modules = modulesOf(config);
    this.#weights = weights;
    this.#compile = compile;
    this.#few = new FewPrograms(compile, FEW);
  }

  newCache(rows: number, capacity: number): KeyValueCache {
    return new KeyValueCache(this.config, rows, capacity);
  }

  /** Compiles the graph that answering needs, so that the first answer does not wait. */
  async prepare(): Promise<void> {
    await this.#program([], false);
  }

  /**
   * Appends tokens to the cache and computes logits: float32 [rows · positions, vocabulary]. Rows with fewer new tokens
   * than others are padded: attention looks back only, so what stands right of a row's end changes nothing before it.
   * Rows of one step must replace the same base parameters by the same tensors.
   */
  async run({ rows, positions, effects, cache, cacheRow }: Step): Promise<FloatTensor> {
    const overrides = effects[0]?.overrides ?? new Map<string, FloatTensor>();
    const extents = rows.map(({ ids, from }) => ({ from, count: ids.length - from }));
    const seq = Math.max(...extents.map(({ count }) => count));
    const longest = Math.max(...rows.map(({ ids }) => ids.length));
    cache.reserve(longest);
    const begins = rows.every(({ from }) => from === 0);
    const frees = this.#bytes(rows.length, seq, begins ? seq : cache.capacity) > LARGE_RUN;
    const program = await this.#program([...overrides.keys()], frees);
    const results = await program.run({
      ...tokenTensors(this.config, rows, seq),
      mask: maskTensor(this.config, rows, seq, begins ? 0 : cache.capacity),
      select: chosen(rows.length, seq, positions),
      ...this.#tables(longest),
      ...this.#slotTensors(effects),
      ...Object.fromEntries(overrides),
      ...cache.past(begins ? "none" : "all", cacheRow),
    });
    cache.append(results, extents, seq, cacheRow);
    return results.logits as FloatTensor;
  }

  async dispose(): Promise<void> {
    const programs = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    await Promise.all(programs.map((result) => (result.status === "fulfilled" ? result.value.dispose() : undefined)));
  }

  #program(fed: readonly string[], frees: boolean): Promise<Program> {
    const key = `${fed.join()} ${frees}`;
    const known = this.#programs.get(key);
    if (known) return known;
    const graph = forwardGraph(this.config, this.#weights, fed);
    const isCommon = fed.length === 0 && !frees;
    const program = isCommon ? this.#compile(graph) : this.#few.compile(graph, frees ? { frees } : {});
    program.catch(() => this.#programs.delete(key));
    this.#programs.set(key, program);
    return program;
  }

  /** What a run holds at its largest moment, about. */
  #bytes(rows: number, seq: number, past: number): number {
    const { hidden, ffn, heads } = this.config;
    return 4 * rows * seq * (4 * ffn + 8 * hidden + 2 * heads * (seq + past));
  }

  #slotTensors(effects: readonly (AdapterEffect | undefined)[]): Tensors {
    const [first] = effects;
    if (!effects.every((effect) => effect === first)) return slotTensors(this.#modules, effects);
    if (!first?.lowRank) {
      this.#none ??= slotTensors(this.#modules, [undefined]);
      return this.#none;
    }
    const tensors = this.#slots.get(first) ?? slotTensors(this.#modules, [first]);
    this.#slots.set(first, tensors);
    return tensors;
  }

  /** Angles for at least `positions` tokens, made for twice as many as were needed last. */
  #tables(positions: number): { readonly cos: FloatTensor; readonly sin: FloatTensor } {
    if (!this.#angles || (this.#angles.cos.shape[0] as number) < positions) {
      this.#angles = rotaryTables(this.config, Math.max(256, 2 * positions));
    }
    return this.#angles;
  }
}

/** Indices of the wanted tokens among all tokens of a [rows, seq] batch. */
function chosen(rows: number, seq: number, positions: readonly number[]): Tensor<"int64"> {
  const all = Array.from({ length: rows }, (_, row) => positions.map((position) => BigInt(row * seq + position)));
  return tensor("int64", [rows * positions.length], BigInt64Array.from(all.flat()));
}
