/**
 * @file What adapters do to forward graphs, on the device: leased to whoever answers with it. What one adapter does stays for
 * a while after its last answer, so that swapping back costs a look-up.
 */
import type { AdapterEffect } from "../adapters/adapter.ts";
import { type Slot, slotsFor, slotTensors } from "../adapters/slots.ts";
import type { Device } from "../backend/device.ts";
import { owning } from "../backend/owning.ts";
import type { DeviceTensor, Fed, Tensors } from "../backend/program.ts";
import type { ModuleSpec } from "../models/context.ts";
import { elementSize, sizeOf } from "../tensor.ts";
import type { ResidentPrefix } from "./cache.ts";

/** What the rows of a batch have: one for each. */
export type Effects = readonly (AdapterEffect | undefined)[];

/** The adapters of a batch as graphs take them; none of it goes before it is released. */
export interface LeasedAdapters {
  /** Where the graph needs slots. */
  readonly slotted: readonly Slot[];
  readonly slots: Fed;
  /** The base parameters that the adapters replace. */
  readonly overrides: Fed;
  /** What rows begin with, where it is the same for all. */
  readonly prefix?: ResidentPrefix;
  release(): void;
}

/**
 * Bytes that stay on the device of adapters that nobody answers with. A LoRA of rank 8 takes 60 MB on all modules of a
 * 6B model, and 8 MB on its queries, keys and values: those that are compared are there, beside weights of gigabytes.
 */
const KEPT = 256 * 2 ** 20;

interface Resident {
  readonly slotted: readonly Slot[];
  readonly slots: Readonly<Record<string, DeviceTensor>>;
  readonly overrides: Readonly<Record<string, DeviceTensor>>;
  readonly prefix?: ResidentPrefix;
}

interface Entry {
  readonly resident: Promise<Resident>;
  readonly bytes: number;
  /** Whether it stays when nobody answers with it. */
  stays: boolean;
  leases: number;
}

export class ResidentAdapters {
  readonly #device: Device;
  readonly #modules: readonly ModuleSpec[];
  readonly #tables: readonly ModuleSpec[];
  readonly #kept: number;
  /** By what all rows of a batch have, the one used last at the end. */
  readonly #entries = new Map<AdapterEffect | undefined, Entry>();
  /** Those of which nobody has a use beyond the answers that are under way. */
  readonly #over = new WeakSet<AdapterEffect>();
  #closed = false;

  /**
   * @param kept bytes that stay of adapters that nobody answers with; of the one used last, all do
   * @param tables modules at which few adapters do anything
   */
  constructor(device: Device, modules: readonly ModuleSpec[], kept: number = KEPT, tables: readonly ModuleSpec[] = []) {
    this.#device = device;
    this.#modules = modules;
    this.#tables = tables;
    this.#kept = kept;
  }

  /** Where a graph needs slots for these adapters: where rank 0 can stand for none, at all modules of the layers. */
  slotted(effects: Effects): readonly Slot[] {
    if (this.#device.can.emptyTensors) return slotsFor(this.#modules, this.#tables, effects);
    return slotsFor([], [...this.#modules, ...this.#tables], effects);
  }

  /** @param effects one for each row, or for all; they must replace the same base parameters by the same tensors, if any */
  async lease(effects: Effects): Promise<LeasedAdapters> {
    const [first] = effects;
    const alike = effects.every((effect) => effect === first);
    const entry = alike ? this.#known(first) : this.#made(effects);
    entry.leases += 1;
    const resident = await entry.resident;
    let released = false;
    return {
      ...resident,
      release: () => {
        if (released) return;
        released = true;
        entry.leases -= 1;
        if (entry.leases > 0) return;
        if (entry.stays) this.#makeRoom(0);
        else free(resident);
      },
    };
  }

  /** Nobody will ask for this one again: it goes when the answers with it end. */
  forget(effect: AdapterEffect): void {
    this.#over.add(effect);
    this.#drop(effect);
  }

  /** What is leased goes when it is released. */
  dispose(): void {
    this.#closed = true;
    for (const effect of [...this.#entries.keys()]) this.#drop(effect);
  }

  #known(effect: AdapterEffect | undefined): Entry {
    const known = this.#entries.get(effect);
    const entry = known ?? this.#made([effect]);
    if (!known && (this.#closed || (effect && this.#over.has(effect)))) return entry;
    entry.stays = true;
    this.#entries.delete(effect);
    this.#entries.set(effect, entry);
    // What failed is made anew when it is asked for again.
    if (!known) entry.resident.catch(() => entry.stays && this.#entries.delete(effect));
    return entry;
  }

  #drop(effect: AdapterEffect | undefined): void {
    const entry = this.#entries.get(effect);
    if (!entry) return;
    entry.stays = false;
    this.#entries.delete(effect);
    if (entry.leases === 0) void entry.resident.then(free, () => undefined);
  }

  /** Those that nobody answers with go, the longest unused first, for as many bytes to come; without any, the last stays. */
  #makeRoom(toCome: number): void {
    const idle = [...this.#entries].filter(([, { leases }]) => leases === 0);
    let bytes = idle.reduce((sum, [, entry]) => sum + entry.bytes, toCome);
    for (const [effect, entry] of toCome > 0 ? idle : idle.slice(0, -1)) {
      if (bytes <= this.#kept) return;
      bytes -= entry.bytes;
      this.#drop(effect);
    }
  }

  #made(effects: Effects): Entry {
    const slotted = this.slotted(effects);
    const slots = slotTensors(slotted, effects);
    const overrides: Tensors = Object.fromEntries(effects[0]?.overrides ?? []);
    const prefix = effects.length === 1 ? effects[0]?.prefix : undefined;
    const blocks = prefix?.layers.flatMap(({ keys, values }) => [keys, values]) ?? [];
    const all = [...Object.values(slots), ...Object.values(overrides), ...blocks];
    const bytes = all.reduce((sum, { dtype, shape }) => sum + sizeOf(shape) * elementSize[dtype], 0);
    this.#makeRoom(bytes);
    const resident = owning(async (own) => {
      const uploaded = async (tensors: Tensors): Promise<Record<string, DeviceTensor>> => {
        const there: Record<string, DeviceTensor> = {};
        for (const [name, tensor] of Object.entries(tensors)) there[name] = own(await this.#device.upload(tensor));
        return there;
      };
      const there = { slotted, slots: await uploaded(slots), overrides: await uploaded(overrides) };
      if (!prefix) return there;
      const led: DeviceTensor[] = [];
      for (const block of blocks) led.push(own(await this.#device.upload(block)));
      return { ...there, prefix: { length: prefix.length, blocks: led } };
    });
    return { resident, bytes, stays: false, leases: 0 };
  }
}

function free({ slots, overrides, prefix }: Resident): void {
  for (const tensor of [...Object.values(slots), ...Object.values(overrides), ...(prefix?.blocks ?? [])])
    tensor.dispose();
}
