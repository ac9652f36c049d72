/**
 * @file What adapters do to forward graphs, on the device: swapping back to an adapter costs a look-up, and an adapter's
 * tensors go with it.
 */
import type { AdapterEffect } from "../adapters/adapter.ts";
import { slotTensors } from "../adapters/slots.ts";
import type { Device } from "../backend/device.ts";
import { owning } from "../backend/owning.ts";
import type { DeviceTensor, Fed, Tensors } from "../backend/program.ts";
import type { ModuleSpec } from "../models/context.ts";

/** What the rows of a batch have: one for each. */
export type Effects = readonly (AdapterEffect | undefined)[];

type Resident = Readonly<Record<string, DeviceTensor>>;

export class ResidentAdapters {
  readonly #device: Device;
  readonly #modules: readonly ModuleSpec[];
  /** By the effect that all rows have, or else by the effects of a batch. */
  readonly #slots = new WeakMap<object, Promise<Resident>>();
  readonly #overrides = new WeakMap<object, Promise<Resident>>();
  readonly #alive = new Set<Resident>();
  readonly #forgotten = new FinalizationRegistry<Resident>((tensors) => this.#release(tensors));
  #none: Promise<Resident> | undefined;

  constructor(device: Device, modules: readonly ModuleSpec[]) {
    this.#device = device;
    this.#modules = modules;
  }

  /** The modules at which a graph needs slots for these adapters: where rank 0 can stand for none, all. */
  slotted(effects: Effects): readonly ModuleSpec[] {
    if (this.#device.can.emptyTensors) return this.#modules;
    return this.#modules.filter(({ name }) => effects.some((effect) => effect?.lowRank?.has(name)));
  }

  /** The slots' tensors for a batch. */
  slots(effects: Effects): Promise<Fed> {
    const [first] = effects;
    const alike = effects.every((effect) => effect === first);
    const modules = this.slotted(effects);
    if (!alike) return this.#known(this.#slots, effects, () => slotTensors(modules, effects));
    if (first?.lowRank) return this.#known(this.#slots, first, () => slotTensors(modules, [first]));
    if (!this.#none) {
      const none = this.#uploaded(slotTensors(modules, [undefined]));
      this.#none = none;
      none.catch(() => (this.#none = undefined));
    }
    return this.#none;
  }

  /** The base parameters that an adapter replaces. */
  async overrides(effect: AdapterEffect | undefined): Promise<Fed> {
    const overrides = effect?.overrides;
    return overrides ? this.#known(this.#overrides, overrides, () => Object.fromEntries(overrides)) : {};
  }

  dispose(): void {
    for (const tensors of this.#alive) this.#release(tensors);
    this.#none = undefined;
  }

  #release(tensors: Resident): void {
    this.#alive.delete(tensors);
    for (const tensor of Object.values(tensors)) tensor.dispose();
  }

  #known(known: WeakMap<object, Promise<Resident>>, key: object, make: () => Tensors): Promise<Resident> {
    const found = known.get(key);
    if (found) return found;
    const made = this.#uploaded(make());
    known.set(key, made);
    made.then(
      (tensors) => this.#forgotten.register(key, tensors),
      () => known.delete(key),
    );
    return made;
  }

  #uploaded(tensors: Tensors): Promise<Resident> {
    return owning(async (own) => {
      const resident: Record<string, DeviceTensor> = {};
      for (const [name, tensor] of Object.entries(tensors)) resident[name] = own(await this.#device.upload(tensor));
      this.#alive.add(resident);
      return resident;
    });
  }
}
