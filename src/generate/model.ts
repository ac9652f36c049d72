/** @file A model that runs forward: its compiled graphs, its angles, and the adapters and caches that runs take. */
import type { AdapterEffect } from "../adapters/adapter.ts";
import { type Slot, slotKey } from "../adapters/slots.ts";
import type { Device } from "../backend/device.ts";
import { FewPrograms } from "../backend/few-programs.ts";
import type { Compile, DeviceTensor, Program, Tensors } from "../backend/program.ts";
import { ProgramTable } from "../backend/program-table.ts";
import type { GlmError } from "../errors.ts";
import { modulesOf, tablesOf } from "../models/architectures.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { BindWeights, ModuleSpec } from "../models/context.ts";
import { type TokenRow, tokenTensors } from "../models/inputs.ts";
import { rotaryTables } from "../models/rotary.ts";
import { type FloatTensor, type Tensor, tensor } from "../tensor.ts";
import type { KeyValueCache } from "./cache.ts";
import { DeviceCaches } from "./device-cache.ts";
import { type CacheUse, forwardGraph, type Wanted } from "./forward.ts";
import { forwardBytes, LARGE_FORWARD } from "./forward-memory.ts";
import { HostCache } from "./host-cache.ts";
import { areNumbers, likeliestTokens } from "./likeliest.ts";
import { type Effects, type LeasedAdapters, ResidentAdapters } from "./resident-adapters.ts";

/** Rare kinds of runs that are compiled at a time: those of two sets of base parameters that adapters replace. */
const FEW = 2;

/** One run of a graph. */
export interface Step {
  /** The tokens of each row so far; those before `from` are in the cache already. */
  readonly rows: readonly TokenRow[];
  /** Which of the new tokens' logits are wanted, the same for each row. */
  readonly positions: readonly number[];
  /** Of these rows, leased for as long as the run. */
  readonly adapters: LeasedAdapters;
  readonly cache: KeyValueCache;
  /** The cache row of a step with a single row; without it a step has all the cache's rows. */
  readonly cacheRow?: number;
}

type Tables = Readonly<Record<string, DeviceTensor>>;

/** What tells the graphs of a model apart. */
interface Kind {
  readonly use: CacheUse;
  readonly wanted: Wanted;
  /** Base parameters that are fed rather than bound. */
  readonly fed: readonly string[];
  readonly slots: readonly Slot[];
  /** Whether a run's memory is given back. */
  readonly frees: boolean;
}

export class ForwardModel {
  readonly config: ChatGLMConfig;
  readonly #modules: readonly ModuleSpec[];
  readonly #weights: BindWeights;
  readonly #device: Device;
  readonly #compile: Compile;
  readonly #adapters: ResidentAdapters;
  /** Where the device has caches of its own. */
  readonly #caches: DeviceCaches | undefined;
  /** For the rare kinds of runs, of which few are kept; the common ones stay. */
  readonly #few: FewPrograms;
  readonly #programs = new ProgramTable();
  readonly #onNotFinite: (() => GlmError) | undefined;
  #angles: { readonly positions: number; readonly tables: Promise<Tables> } | undefined;
  /** Earlier tables, too, which runs may still be reading: together they are no larger than the last. */
  readonly #made: DeviceTensor[] = [];

  /**
   * @param compile for the device
   * @param onNotFinite the error for logits that are no numbers, where that shows that the weights' precision does not do
   */
  constructor(
    config: ChatGLMConfig,
    weights: BindWeights,
    device: Device,
    compile: Compile = device.compile,
    onNotFinite?: () => GlmError,
  ) {
    this.#onNotFinite = onNotFinite;
    this.config = config;
    this.#weights = weights;
    this.#device = device;
    this.#compile = compile;
    this.#modules = modulesOf(config);
    this.#adapters = new ResidentAdapters(device, this.#modules, undefined, tablesOf(config));
    this.#caches = device.can.cacheInPlace ? new DeviceCaches(config, device) : undefined;
    this.#few = new FewPrograms(compile, FEW);
  }

  newCache(rows: number, capacity: number): KeyValueCache {
    return this.#caches?.newCache(rows, capacity) ?? new HostCache(this.config, rows, capacity, this.#device);
  }

  /**
   * What the adapters of a batch do, for its runs; to be released.
   * @param effects one for each row, or for all; they must replace the same base parameters by the same tensors, if any
   */
  lease(effects: Effects): Promise<LeasedAdapters> {
    return this.#adapters.lease(effects);
  }

  /** Nobody will ask with this effect again. */
  forget(effect: AdapterEffect): void {
    this.#adapters.forget(effect);
  }

  /** Compiles the graph that answering needs, so that the first answer does not wait. */
  async prepare(): Promise<void> {
    const use = this.#caches ? "in place" : "appending";
    await this.#program({ use, wanted: "logits", fed: [], slots: this.#adapters.slotted([undefined]), frees: false });
  }

  /**
   * Appends tokens to the cache and computes logits: float32 [rows · positions, vocabulary]. Rows with fewer new tokens
   * than others are padded: attention looks back only, so what stands right of a row's end changes nothing before it.
   */
  async run(step: Step): Promise<FloatTensor> {
    return (await this.#results(step, "logits")).logits as FloatTensor;
  }

  /** Whether it pays to ask for the likeliest tokens rather than for logits: where those would cross from a device. */
  get findsLikeliest(): boolean {
    return this.#device.can.ownMemory;
  }

  /** The same, of which only the likeliest token is told, for each row and position; undefined where logits are no numbers. */
  async likeliest(step: Step): Promise<(number | undefined)[]> {
    return likeliestTokens(await this.#results(step, "likeliest"), this.config.vocabulary);
  }

  async #results({ rows, positions, adapters, cache, cacheRow }: Step, wanted: Wanted): Promise<Tensors> {
    const seq = Math.max(...rows.map(({ ids, from }) => ids.length - from));
    const longest = Math.max(...rows.map(({ ids }) => ids.length));
    const { use, inputs, into, done } = await cache.begin({ rows, seq, cacheRow, prefix: adapters.prefix });
    const begins = rows.every(({ from }) => from === 0);
    const run = {
      tokens: rows.length * seq,
      seen: seq + (begins ? 0 : cache.capacity),
      chosen: rows.length * positions.length,
    };
    const program = await this.#program({
      use,
      wanted,
      fed: Object.keys(adapters.overrides),
      slots: adapters.slotted,
      frees: forwardBytes(this.config, run) > LARGE_FORWARD,
    });
    const fed = {
      ...tokenTensors(this.config, rows, seq),
      select: chosen(rows.length, seq, positions),
      ...(await this.#tables(longest)),
      ...adapters.slots,
      ...adapters.overrides,
      ...inputs,
    };
    const results = await program.run(fed, into);
    if (this.#onNotFinite && !areNumbers(results)) throw this.#onNotFinite();
    done(results);
    return results;
  }

  async dispose(): Promise<void> {
    await this.#programs.dispose();
    await this.#caches?.dispose();
    this.#adapters.dispose();
    await this.#angles?.tables.catch(() => undefined);
    for (const table of this.#made.splice(0)) table.dispose();
    this.#angles = undefined;
  }

  #program({ use, wanted, fed, slots, frees }: Kind): Promise<Program> {
    // Asked for at every token, and mostly for slots at all modules: their names are not joined each time.
    const plain =
      slots === this.#modules || slots.every(({ gains }, i) => !gains && slots[i]?.name === this.#modules[i]?.name);
    const at = plain && slots.length === this.#modules.length ? "all" : slots.map(slotKey).join();
    const key = `${use} ${wanted} ${frees} ${fed.join()} ${at}`;
    return this.#programs.get(key, () => {
      const graph = forwardGraph(this.config, this.#weights, { cache: use, wanted, fed, slots, can: this.#device.can });
      const isCommon = fed.length === 0 && !frees;
      return isCommon ? this.#compile(graph) : this.#few.compile(graph, frees ? { frees } : {});
    });
  }

  /** Angles for at least `positions` tokens, made for twice as many as were needed last. */
  #tables(positions: number): Promise<Tables> {
    if (this.#angles && this.#angles.positions >= positions) return this.#angles.tables;
    const many = Math.max(256, 2 * positions);
    const angles = { positions: many, tables: this.#uploadedTables(many) };
    this.#angles = angles;
    angles.tables.catch(() => {
      if (this.#angles === angles) this.#angles = undefined;
    });
    return angles.tables;
  }

  async #uploadedTables(positions: number): Promise<Tables> {
    const tables: Record<string, DeviceTensor> = {};
    for (const [name, table] of Object.entries(rotaryTables(this.config, positions))) {
      tables[name] = await this.#device.upload(table);
      this.#made.push(tables[name]);
    }
    return tables;
  }
}

/** Indices of the wanted tokens among all tokens of a [rows, seq] batch. */
function chosen(rows: number, seq: number, positions: readonly number[]): Tensor<"int64"> {
  const all = Array.from({ length: rows }, (_, row) => positions.map((position) => BigInt(row * seq + position)));
  return tensor("int64", [rows * positions.length], BigInt64Array.from(all.flat()));
}
