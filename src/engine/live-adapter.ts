/** @file An adapter in memory: its tensors, what the forward graph makes of them, and their way to the disk. */
import type { Adapter, AdapterConfig, AdapterEffect, AdapterTensors, BaseModel } from "../adapters/adapter.ts";
import type { AdapterDocuments } from "../adapters/documents.ts";
import { GlmError } from "../errors.ts";
import { suggestion } from "../suggestion.ts";
import { copiedAll, type FloatTensor, sizeOf } from "../tensor.ts";
import { faultList, MAX_FAULTS } from "../weights/faults.ts";
import type { AdapterStore } from "./adapter-store.ts";
import type { AdapterInfo, AdapterRef } from "./engine.ts";

/** While an adapter trains it is written this often, in milliseconds: the most that a crash can cost. */
const KEEP_EVERY = 2000;

export interface LiveState {
  readonly tensors: AdapterTensors;
  readonly steps: number;
  readonly source?: string;
  readonly documents?: AdapterDocuments;
  readonly touched?: boolean;
  /** What its user should know of how it was loaded. */
  readonly note?: string;
}

/** Training that is under way. */
interface Run {
  /** Given up: it ends at its next step, and can be waited for. */
  readonly signal: AbortSignal | undefined;
  readonly over: Promise<void>;
}

export class LiveAdapter {
  readonly ref: AdapterRef;
  readonly adapter: Adapter;
  readonly tensors: AdapterTensors;
  readonly #store: AdapterStore;
  readonly #source: string | undefined;
  readonly #note: string | undefined;
  #steps: number;
  #documents: AdapterDocuments;
  /** Whether it holds anything but what it was made or loaded with. */
  #touched: boolean;
  #effect: AdapterEffect | undefined;
  #merged = false;
  #retired = false;
  #run: Run | undefined;
  #timer: NodeJS.Timeout | undefined;
  #keeping: Promise<void> = Promise.resolve();

  constructor(
    ref: AdapterRef,
    adapter: Adapter,
    { tensors, steps, source, documents = {}, touched = false, note }: LiveState,
    store: AdapterStore,
  ) {
    this.ref = ref;
    this.adapter = adapter;
    this.tensors = tensors;
    this.#steps = steps;
    this.#source = source;
    this.#note = note;
    this.#documents = documents;
    this.#touched = touched;
    this.#store = store;
  }

  get config(): AdapterConfig {
    return this.adapter.config;
  }

  /** What the adapter does to the forward graph; the same object until its tensors change. */
  get effect(): AdapterEffect {
    this.#effect ??= this.adapter.effect(this.tensors);
    return this.#effect;
  }

  get merged(): boolean {
    return this.#merged;
  }

  /**
   * From now on the adapter acts as a saved and reloaded model would: through merged base weights. Where those are packed
   * there is nothing to merge into before it is saved: the adapter acts beside them, as before, to the same effect.
   */
  async merge(base: BaseModel): Promise<void> {
    await this.idle();
    this.#mustBeIdle();
    // Before anything is read: what is read meanwhile must not be trained meanwhile.
    const before = this.#merged;
    this.#merged = true;
    if ([...this.adapter.mergeTargets].some((name) => base.frozen?.has(name))) return;
    try {
      const overrides = new Map<string, FloatTensor>();
      for (const name of this.adapter.mergeTargets) {
        overrides.set(name, this.adapter.merge(this.tensors, name, await base.read(name)));
      }
      this.#effect = { overrides };
    } catch (error) {
      this.#merged = before;
      throw error;
    }
  }

  /** Its tensors as they are now. */
  copy(): AdapterTensors {
    return copiedAll(this.tensors);
  }

  /**
   * Replaces the values of the given tensors.
   * @throws GlmError "adapter-invalid" with every unknown name and wrong shape, before anything is changed
   */
  write(tensors: AdapterTensors): void {
    this.mustTrain();
    const known = Object.keys(this.tensors);
    const faults = Object.entries(tensors).flatMap(([name, { shape, data }], i) => {
      const own = Object.hasOwn(this.tensors, name) ? this.tensors[name] : undefined;
      // To look for near names takes time: not for more than are told of.
      if (!own) return [`${name}: unknown.${i < MAX_FAULTS ? suggestion(name, known) : ""}`];
      if (String(own.shape) !== String(shape)) return [`${name}: expected [${own.shape}], got [${shape}]`];
      if (data.length === own.data.length) return [];
      return [`${name}: expected ${own.data.length} values for [${shape}], got ${data.length}`];
    });
    if (faults.length > 0) {
      throw new GlmError("adapter-invalid", `adapter ${this.ref.name} cannot take these tensors:${faultList(faults)}`);
    }
    for (const [name, { data }] of Object.entries(tensors)) this.tensors[name]?.data.set(data);
    this.changed();
  }

  get documents(): AdapterDocuments {
    return this.#documents;
  }

  /**
   * Keeps a text beside the tensors.
   * @throws GlmError "disk" when it cannot be written; the text is then as it was
   */
  async writeDocument(name: string, text: string): Promise<void> {
    if (this.#retired) {
      throw new GlmError(
        "adapter-not-found",
        `adapter ${this.ref.name} was deleted or replaced meanwhile. Open it again.`,
      );
    }
    const before = this.#documents;
    this.#documents = { ...before, [name]: text };
    this.#touched = true;
    try {
      await this.flush();
    } catch (error) {
      this.#documents = before;
      throw error;
    }
  }

  /** To be called after every change of the tensors. */
  changed(steps = 0): void {
    this.#effect = undefined;
    this.#touched = true;
    this.#steps += steps;
    this.#writeSoon();
  }

  /** Writes the tensors as they are now. */
  flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#retired) return this.#keeping;
    // A copy: steps that are taken until it is written must not mix with it.
    const kept = {
      config: this.config,
      tensors: this.copy(),
      steps: this.#steps,
      documents: this.#documents,
      touched: this.#touched,
      ...(this.#source === undefined ? {} : { source: this.#source }),
    };
    this.#keeping = this.#keeping.catch(() => undefined).then(() => this.#store.keep(this.ref, kept));
    // What could not be written is tried again, for as long as it lives; that alone keeps no process alive.
    this.#keeping.catch(() => this.#writeSoon()?.unref());
    return this.#keeping;
  }

  /** Writes what is still to be written, if anything is. */
  async settle(): Promise<void> {
    if (this.#timer) await this.flush();
    else await this.#keeping;
  }

  /** Takes back `retire`. */
  resume(): void {
    this.#retired = false;
    this.#writeSoon();
  }

  #writeSoon(): NodeJS.Timeout | undefined {
    if (this.#retired) return undefined;
    this.#timer ??= setTimeout(() => void this.flush().catch(() => undefined), KEEP_EVERY);
    return this.#timer;
  }

  /**
   * Trains alone: two runs at once would mix their steps, and a merge would be half of each.
   * @param signal that gives the run up
   * @returns what ends the run
   * @throws GlmError "adapter-invalid" when it is being trained already, or is merged
   */
  async beginTraining(signal?: AbortSignal | undefined): Promise<() => void> {
    await this.idle();
    this.mustTrain();
    this.#mustBeIdle();
    let resolve = (): void => undefined;
    const over = new Promise<void>((done) => {
      resolve = done;
    });
    this.#run = { signal, over };
    return () => {
      this.#run = undefined;
      resolve();
    };
  }

  /**
   * Waits for training that was given up: whoever interrupted it need not know how long its last step takes.
   * @throws GlmError "adapter-invalid" when it is being trained
   */
  async idle(): Promise<void> {
    while (this.#run?.signal?.aborted) await this.#run.over;
    this.#mustBeIdle();
  }

  #mustBeIdle(): void {
    if (!this.#run) return;
    throw new GlmError(
      "adapter-invalid",
      `adapter ${this.ref.name} is being trained, here or in another notebook. Wait for it, interrupt it, or use another name.`,
    );
  }

  /** Nothing will be written any more; what was, stays. */
  async retire(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#retired = true;
    await this.#keeping.catch(() => undefined);
  }

  /** Gives it up, also on disk. */
  async forget(): Promise<void> {
    await this.retire();
    try {
      await this.#store.forget(this.ref);
    } catch (error) {
      this.resume();
      throw error;
    }
  }

  mustTrain(): void {
    if (!this.#merged) return;
    throw new GlmError(
      "adapter-invalid",
      `adapter ${this.ref.name}: it is merged into the base and cannot be trained any more. ` +
        "Save the merged model, load it, and train a new adapter on it.",
    );
  }

  info(base: BaseModel): AdapterInfo {
    const parameters = this.adapter.parameters.map(({ name, shape }) => {
      return { name, shape, dtype: "float32" as const, trainable: !this.#merged, count: sizeOf(shape) };
    });
    const baseNames = new Set(base.parameters.map(({ name }) => name));
    const trainableCount = parameters.reduce((sum, { count }) => sum + count, 0);
    const added = parameters.reduce((sum, { name, count }) => sum + (baseNames.has(name) ? 0 : count), 0);
    const baseCount = base.count ?? base.parameters.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
    return {
      ...this.ref,
      config: this.config,
      parameters,
      allCount: baseCount + added,
      trainableCount,
      steps: this.#steps,
      ...(this.#source === undefined ? {} : { source: this.#source }),
      ...(this.#note === undefined ? {} : { note: this.#note }),
      merged: this.#merged,
    };
  }
}
