/**
 * @file A cache in a device's memory, where runs write to it in place. Rows begin by themselves, each in blocks of its own
 * (a run reads no part of a block); before they go on together they are joined.
 */
import type { Device } from "../backend/device.ts";
import { owning } from "../backend/owning.ts";
import type { DeviceTensor, Program } from "../backend/program.ts";
import { ProgramTable } from "../backend/program-table.ts";
import { concat } from "../graph/ops.ts";
import { Graph } from "../graph/value.ts";
import { architectureOf } from "../models/architectures.ts";
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
import { ROOM } from "./forward.ts";

/** float32 [rows, groups, capacity, headSize] for each layer's keys and values. */
type Blocks = readonly DeviceTensor[];

const ROWS = 0;
const PLACES = 2;

/** The caches of one model on one device, with the programs that move blocks. */
export class DeviceCaches {
  readonly config: ChatGLMConfig;
  readonly device: Device;
  readonly #programs = new ProgramTable();

  constructor(config: ChatGLMConfig, device: Device) {
    this.config = config;
    this.device = device;
  }

  newCache(rows: number, capacity: number): KeyValueCache {
    return new DeviceCache(this, rows, capacity);
  }

  /** [rows, groups, places, headSize] */
  shape(rows: number, places: number): readonly number[] {
    return [rows, this.config.groups, places, this.config.headSize];
  }

  zeros(rows: number, places: number): Promise<DeviceTensor> {
    return this.device.allocate("float32", this.shape(rows, places));
  }

  /** A new block of several, one after the other along an axis. */
  async joined(blocks: readonly DeviceTensor[], axis: typeof ROWS | typeof PLACES): Promise<DeviceTensor> {
    const sizes = [...(blocks[0] as DeviceTensor).shape];
    sizes[axis] = blocks.reduce((sum, { shape }) => sum + (shape[axis] as number), 0);
    const program = await this.#joining(blocks.length, axis);
    return owning(async (own) => {
      const joined = own(await this.device.allocate("float32", sizes));
      await program.run(Object.fromEntries(blocks.map((block, i) => [`block ${i}`, block])), { joined });
      return joined;
    });
  }

  dispose(): Promise<void> {
    return this.#programs.dispose();
  }

  #joining(count: number, axis: number): Promise<Program> {
    return this.#programs.get(`${count} along ${axis}`, () => this.device.compile(this.#joiningGraph(count, axis)));
  }

  #joiningGraph(count: number, axis: number): Graph {
    const graph = new Graph();
    const { groups, headSize } = this.config;
    const blocks = Array.from({ length: count }, (_, i) =>
      graph.input(`block ${i}`, "float32", [`rows ${i}`, groups, `places ${i}`, headSize]),
    );
    graph.output(concat(blocks, axis), "joined");
    return graph;
  }
}

class DeviceCache implements KeyValueCache {
  readonly #all: DeviceCaches;
  readonly #rows: number;
  #capacity: number;
  /** Of all rows. */
  #together: Blocks | undefined;
  /** What followed the tokens of the row that began last. */
  #room: DeviceTensor | undefined;
  /** Of each row that has begun by itself. */
  readonly #alone = new Map<number, Blocks>();
  readonly #prefixes: PrefixLengths;

  constructor(all: DeviceCaches, rows: number, capacity: number) {
    this.#all = all;
    this.#rows = rows;
    this.#capacity = capacity;
    this.#prefixes = new PrefixLengths(rows);
  }

  get capacity(): number {
    return this.#capacity;
  }

  async begin(step: CacheStep): Promise<CacheRun> {
    const { rows, seq } = step;
    const { config } = this.#all;
    const prefixes = this.#prefixes.of(step);
    // A row that begins is followed by at least one more place: no tensor may be empty.
    await this.#reserve(placesOf(rows, prefixes) + 1);
    const cacheRow = this.#rows === 1 ? undefined : step.cacheRow;
    const begins = rows.every(({ from }) => from === 0);
    const prefix = begins ? step.prefix : undefined;
    // The operator takes several tokens after others for a single row only.
    const needsMask = architectureOf(config).prefixLM || (prefix && rows.length > 1);
    if (begins && needsMask) return this.#beginning(step, cacheRow, prefix);
    if (prefix) this.#put(cacheRow, await this.#after(prefix, rows.length));
    const blocks = await this.#blocks(cacheRow);
    const last = Int32Array.from(rows, ({ ids }, r) => (prefixes[r] as number) + ids.length - 1);
    const total = Math.max(...rows.map(({ from }, r) => (prefixes[r] as number) + from + seq));
    return {
      use: prefixes.some((length) => length > 0) ? "in place after a prefix" : "in place",
      inputs: {
        last: tensor("int32", [rows.length], last),
        total: tensor("int32", [], Int32Array.of(total)),
        ...named(blocks, "past"),
      },
      into: named(blocks, "fresh"),
      done,
    };
  }

  /** A context is seen as a whole: under a mask, by a graph that returns a cache. */
  async #beginning(
    { rows, seq }: CacheStep,
    cacheRow: number | undefined,
    prefix: ResidentPrefix | undefined,
  ): Promise<CacheRun> {
    const { config } = this.#all;
    const length = prefix?.length ?? 0;
    const room = await this.#all.zeros(rows.length, this.#capacity - length - seq);
    this.#room?.dispose();
    this.#room = room;
    const blocks = await this.#zeros(rows.length);
    this.#put(cacheRow, blocks);
    const mask = maskTensor(
      config,
      rows,
      seq,
      length,
      rows.map(() => length),
    );
    if (!prefix) return { use: "beginning", inputs: { mask, [ROOM]: room }, into: named(blocks, "fresh"), done };
    const led = await this.#forRows(prefix, rows.length);
    return {
      use: "beginning after a prefix",
      inputs: { mask, [ROOM]: room, ...named(led, "past") },
      into: named(blocks, "fresh"),
      done: () => {
        if (led !== prefix.blocks) release(led);
      },
    };
  }

  /** A prefix as several rows have it. */
  async #forRows({ blocks }: ResidentPrefix, rows: number): Promise<Blocks> {
    if (rows === 1) return blocks;
    return owning(async (own) => {
      const made: DeviceTensor[] = [];
      for (const block of blocks) made.push(own(await this.#all.joined(new Array(rows).fill(block), ROWS)));
      return made;
    });
  }

  /** Blocks that begin with a prefix. */
  async #after(prefix: ResidentPrefix, rows: number): Promise<Blocks> {
    const led = await this.#forRows(prefix, rows);
    try {
      return await owning(async (own) => {
        const room = own(await this.#all.zeros(rows, this.#capacity - prefix.length));
        const made: DeviceTensor[] = [];
        for (const block of led) made.push(own(await this.#all.joined([block, room], PLACES)));
        room.dispose();
        return made;
      });
    } finally {
      if (led !== prefix.blocks) release(led);
    }
  }

  dispose(): void {
    for (const blocks of [...this.#alone.values(), this.#together ?? []]) release(blocks);
    this.#alone.clear();
    this.#together = undefined;
    this.#room?.dispose();
    this.#room = undefined;
  }

  /** Those of one row, or of all: made when they are first asked for. */
  async #blocks(row: number | undefined): Promise<Blocks> {
    const known = row === undefined ? this.#together : this.#alone.get(row);
    if (known) return known;
    const begun = row === undefined && this.#alone.size > 0;
    const blocks = begun ? await this.#joined() : await this.#zeros(row === undefined ? this.#rows : 1);
    this.#put(row, blocks);
    return blocks;
  }

  async #joined(): Promise<Blocks> {
    const alone = Array.from({ length: this.#rows }, (_, row) => this.#alone.get(row));
    const joined = await owning(async (own) => {
      const made: DeviceTensor[] = [];
      for (let i = 0; i < blockCount(this.#all.config); i += 1) {
        const parts = alone.map((blocks, row) => blocks?.[i] ?? missing(row));
        made.push(own(await this.#all.joined(parts, ROWS)));
        // One after the other: all are not there twice.
        for (const part of parts) part.dispose();
      }
      return made;
    });
    this.#alone.clear();
    return joined;
  }

  async #reserve(tokens: number): Promise<void> {
    if (tokens <= this.#capacity) return;
    const capacity = grown(this.#capacity, tokens, this.#all.config.contextLength + 1);
    const more = capacity - this.#capacity;
    const enlarged = (blocks: Blocks, rows: number): Promise<Blocks> =>
      owning(async (own) => {
        const room = own(await this.#all.zeros(rows, more));
        const larger: DeviceTensor[] = [];
        for (const block of blocks) {
          larger.push(own(await this.#all.joined([block, room], PLACES)));
          block.dispose();
        }
        room.dispose();
        return larger;
      });
    for (const [row, blocks] of this.#alone) this.#alone.set(row, await enlarged(blocks, 1));
    if (this.#together) this.#together = await enlarged(this.#together, this.#rows);
    this.#capacity = capacity;
  }

  #zeros(rows: number): Promise<Blocks> {
    return owning(async (own) => {
      const blocks: DeviceTensor[] = [];
      for (let i = 0; i < blockCount(this.#all.config); i += 1) {
        blocks.push(own(await this.#all.zeros(rows, this.#capacity)));
      }
      return blocks;
    });
  }

  #put(row: number | undefined, blocks: Blocks): void {
    if (row === undefined) {
      release(this.#together ?? []);
      this.#together = blocks;
    } else {
      release(this.#alone.get(row) ?? []);
      this.#alone.set(row, blocks);
    }
  }
}

const done = (): void => undefined;

const named = (blocks: Blocks, of: "past" | "fresh"): Record<string, DeviceTensor> =>
  Object.fromEntries(blocks.map((block, i) => [blockName(i, of), block]));

function release(blocks: Blocks): void {
  for (const block of blocks) block.dispose();
}

function missing(row: number): never {
  throw new Error(`row ${row} of the cache has not begun, and is to go on`);
}
