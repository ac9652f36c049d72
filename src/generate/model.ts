/** @file A model that runs forward: its compiled graph, its angles, and the adapters' tensors in the form the graph wants. */
import type { AdapterEffect } from "../adapters/adapter.ts";
import { slotTensors } from "../adapters/slots.ts";
import type { Compile, Program, Tensors } from "../graph/program.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { Bind, ModuleSpec } from "../models/context.ts";
import { glmParameters } from "../models/glm.ts";
import { rotaryTables } from "../models/rotary.ts";
import type { FloatTensor } from "../tensor.ts";
import { tensor } from "../tensor.ts";
import { KeyValueCache } from "./cache.ts";
import { forwardGraph } from "./forward.ts";

/** One run of the graph: the same number of new tokens for each row. */
export interface Step {
  readonly ids: readonly (readonly number[])[];
  /** Tokens that each row has in the cache already. */
  readonly past: readonly number[];
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
  readonly #bind: Bind;
  readonly #compile: Compile;
  /** By the names of base parameters that are fed rather than bound, for adapters that replace some. */
  readonly #programs = new Map<string, Promise<Program>>();
  /** The slots' tensors of single effects; swapping back to an adapter costs a look-up. */
  readonly #slots = new WeakMap<AdapterEffect, Tensors>();
  #none: Tensors | undefined;
  #angles: { readonly cos: FloatTensor; readonly sin: FloatTensor } | undefined;

  constructor(config: ChatGLMConfig, modules: readonly ModuleSpec[], bind: Bind, compile: Compile) {
    this.config = config;
    this.#modules = modules;
    this.#bind = bind;
    this.#compile = compile;
  }

  newCache(rows: number, capacity: number): KeyValueCache {
    return new KeyValueCache(this.config, rows, capacity);
  }

  /**
   * Appends tokens to the cache and computes logits: float32 [rows · positions, vocabulary].
   * Rows of one step must replace the same base parameters by the same tensors.
   */
  async run({ ids, past, positions, effects, cache, cacheRow }: Step): Promise<FloatTensor> {
    const overrides = effects[0]?.overrides ?? new Map<string, FloatTensor>();
    const program = await this.#program([...overrides.keys()]);
    const rows = ids.length;
    const seq = ids[0]?.length ?? 0;
    const lengths = past.map((before) => before + seq);
    const longest = Math.max(...lengths);
    cache.reserve(longest);
    const { past: pastTensors, present } = cache.tensors(cacheRow);
    const results = await program.run(
      {
        ids: tensor("int64", [rows, seq], BigInt64Array.from(ids.flat(), BigInt)),
        positions: tensor(
          "int64",
          [rows, seq],
          BigInt64Array.from(past.flatMap((before) => Array.from({ length: seq }, (_, i) => BigInt(before + i)))),
        ),
        select: tensor(
          "int64",
          [rows * positions.length],
          BigInt64Array.from(ids.flatMap((_, row) => positions.map((position) => BigInt(row * seq + position)))),
        ),
        last: tensor(
          "int32",
          [rows],
          Int32Array.from(lengths, (length) => length - 1),
        ),
        total: tensor("int32", [], Int32Array.of(longest)),
        ...this.#tables(longest),
        ...this.#slotTensors(effects),
        ...Object.fromEntries(overrides),
        ...pastTensors,
      },
      present,
    );
    return results.logits as FloatTensor;
  }

  async dispose(): Promise<void> {
    const programs = await Promise.allSettled(this.#programs.values());
    this.#programs.clear();
    await Promise.all(programs.map((result) => (result.status === "fulfilled" ? result.value.dispose() : undefined)));
  }

  #program(fed: readonly string[]): Promise<Program> {
    const key = fed.join();
    const known = this.#programs.get(key);
    if (known) return known;
    const names = new Set(fed);
    const shapes = new Map(glmParameters(this.config).map(({ name, shape }) => [name, shape]));
    const bind: Bind = (graph, name) =>
      names.has(name) ? graph.input(name, "float32", shapes.get(name) ?? []) : this.#bind(graph, name);
    const program = this.#compile(forwardGraph(this.config, this.#modules, bind));
    program.catch(() => this.#programs.delete(key));
    this.#programs.set(key, program);
    return program;
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
