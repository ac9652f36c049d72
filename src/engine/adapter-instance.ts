/** @file An adapter in memory: its tensors, what the forward graph makes of them, and their way to the disk. */
import type {
  Adapter,
  AdapterConfig,
  AdapterEffect,
  AdapterTensors,
  BaseModel,
  ModuleRank,
} from "../adapters/adapter.ts";
import type { AdapterDocuments } from "../adapters/documents.ts";
import { mustMerge } from "../adapters/merging.ts";
import { GlmError } from "../errors.ts";
import { faultLines, MAX_FAULTS } from "../fault-list.ts";
import { suggestion } from "../suggestion.ts";
import { copiedAll, type FloatTensor } from "../tensor.ts";
import { finiteFault } from "../weights/finite.ts";
import { AdapterAccess } from "./adapter-access.ts";
import { adapterInfo } from "./adapter-info.ts";
import type { AdapterStore } from "./adapter-store.ts";
import { AdapterValues } from "./adapter-values.ts";
import type { AdapterInfo, AdapterRef } from "./engine.ts";
import { Keeper } from "./keeper.ts";
import { Moments, type OptimizerStates } from "./moments.ts";

export interface LiveState {
  readonly tensors: AdapterTensors;
  readonly steps: number;
  readonly source?: string;
  readonly documents?: AdapterDocuments;
  readonly touched?: boolean;
  /** What its user should know of how it was loaded or made. */
  readonly note?: string;
  readonly revision?: number;
  readonly run?: number;
  readonly optimizers?: OptimizerStates;
  readonly ranks?: readonly ModuleRank[];
}

interface ByWhom {
  readonly ranks?: readonly ModuleRank[] | undefined;
  readonly run?: number | undefined;
}

export class AdapterInstance {
  readonly ref: AdapterRef;
  readonly adapter: Adapter;
  readonly access: AdapterAccess;
  readonly values: AdapterValues;
  /** What optimisers remember; belongs to whoever takes steps. */
  readonly moments: Moments;
  readonly #store: AdapterStore;
  readonly #onOver: (effect: AdapterEffect) => void;
  readonly #keeper: Keeper;
  readonly #source: string | undefined;
  readonly #note: string | undefined;
  #steps: number;
  #revision: number;
  #run: number | undefined;
  /** Steps of what is on the disk. */
  #keptSteps: number;
  #documents: AdapterDocuments;
  /** Whether it holds anything but what it was made or loaded with. */
  #touched: boolean;
  #effect: AdapterEffect | undefined;
  /** What it does beside the base's weights, while they are merged. */
  #change: Promise<AdapterEffect> | undefined;
  /** As the last step said; undefined where the values tell. */
  #ranks: readonly ModuleRank[] | undefined;
  /** Whether it is no longer the adapter of its name. */
  #left = false;
  /** Of the tensors, where the values are trained elsewhere. */
  #read = { steps: 0, revision: 0 };

  /** @param onOver told of effects that it no longer has: what was made of them elsewhere can go */
  constructor(
    ref: AdapterRef,
    adapter: Adapter,
    {
      tensors,
      steps,
      source,
      documents = {},
      touched = false,
      note,
      revision = steps,
      run,
      optimizers,
      ranks,
    }: LiveState,
    store: AdapterStore,
    onOver: (effect: AdapterEffect) => void = () => undefined,
  ) {
    this.ref = ref;
    this.adapter = adapter;
    this.access = new AdapterAccess(ref.name);
    this.values = new AdapterValues(tensors);
    this.moments = new Moments(optimizers);
    this.#steps = steps;
    this.#revision = revision;
    this.#run = run;
    this.#keptSteps = steps;
    this.#source = source;
    this.#note = note;
    this.#documents = documents;
    this.#touched = touched;
    this.#ranks = ranks;
    this.#store = store;
    this.#onOver = onOver;
    this.#keeper = new Keeper(() => this.#copyToKeep());
  }

  get config(): AdapterConfig {
    return this.adapter.config;
  }

  /** The folder that it was loaded from. */
  get source(): string | undefined {
    return this.#source;
  }

  /** What the adapter does to the forward graph; the same object until its tensors change. */
  async effect(): Promise<AdapterEffect> {
    if (this.#effect) return this.#effect;
    const revision = this.#revision;
    await this.current();
    const effect = await this.adapter.forInference(this.values.tensors);
    // They may have changed again meanwhile: then it is that of a step before, and serves only who asked.
    if (revision === this.#revision && !this.#left) this.#effect ??= effect;
    if (this.#effect) return this.#effect;
    this.#onOver(effect);
    return effect;
  }

  /**
   * The same where it is merged, too: its change beside the base's weights, rather than weights in their place, to which what others
   * change could not be added.
   */
  async change(): Promise<AdapterEffect> {
    if (!this.access.merged) return this.effect();
    this.#change ??= Promise.resolve(this.adapter.forInference(this.tensors));
    return this.#change;
  }

  #setEffect(effect: AdapterEffect | undefined): void {
    const before = this.#effect;
    this.#effect = effect;
    if (before) this.#onOver(before);
    void this.#change?.then(this.#onOver);
    this.#change = undefined;
  }

  /** It was deleted, or another has its name: whoever asks it still is answered, and nobody later. */
  leave(): void {
    this.#left = true;
    if (this.#effect) this.#onOver(this.#effect);
    void this.#change?.then(this.#onOver);
  }

  /** Its values are trained elsewhere from now on: see `AdapterValues`. */
  follow(read: () => Promise<AdapterTensors>): void {
    this.#read = { steps: this.#steps, revision: this.#revision };
    this.values.follow(read);
  }

  /**
   * The tensors are the values again.
   * @throws whatever keeps them from being read: they are then those that were read last, and so are its steps
   */
  async unfollow(): Promise<void> {
    try {
      await this.current();
    } catch (error) {
      this.lose();
      throw error;
    }
    this.values.unfollow();
  }

  /** What was trained elsewhere since it was read last is lost, with its steps and what optimisers remember there. */
  lose(): void {
    this.#steps = this.#read.steps;
    this.#revision = this.#read.revision;
    this.#setEffect(undefined);
    this.#keeper.forget();
    this.moments.lose();
    this.values.unfollow();
  }

  /** Brings its tensors up to date. */
  async current(): Promise<void> {
    const now = { steps: this.#steps, revision: this.#revision };
    await this.values.current();
    if (now.revision > this.#read.revision) this.#read = now;
  }

  /**
   * From now on the adapter acts as a saved and reloaded model would: through merged base weights. Where those are packed
   * there is nothing to merge into before it is saved: the adapter acts beside them, as before, to the same effect.
   */
  async merge(base: BaseModel): Promise<void> {
    // Before anything is read: what is read meanwhile must not be trained meanwhile.
    mustMerge(this.ref.name, this.adapter);
    const undo = await this.access.merge();
    if ([...this.adapter.mergeTargets].some((name) => base.frozen?.has(name))) return;
    try {
      await this.current();
      const overrides = new Map<string, FloatTensor>();
      for (const name of this.adapter.mergeTargets) {
        overrides.set(name, this.adapter.merge(this.tensors, name, await base.read(name)));
      }
      // It may have been taken back meanwhile.
      if (this.access.merged) this.#setEffect({ overrides });
    } catch (error) {
      undo();
      throw error;
    }
  }

  /**
   * Takes `merge` back: it acts beside the base's weights again, which were never changed.
   * @throws GlmError "adapter-invalid" when it is not merged
   */
  async unmerge(): Promise<void> {
    await this.access.unmerge();
    this.#setEffect(undefined);
  }

  /** Its tensors as they are now: a copy that is taken at once where they are here, since what changes from now on must not mix with it. */
  copy(): Promise<AdapterTensors> {
    if (!this.values.isElsewhere) return Promise.resolve(copiedAll(this.tensors));
    return this.current().then(() => copiedAll(this.tensors));
  }

  /** The values, unless they are elsewhere: then as they were read last. */
  get tensors(): AdapterTensors {
    return this.values.tensors;
  }

  /**
   * Replaces the values of the given tensors.
   * @param steps optimiser steps that made them of those that are there
   * @throws GlmError "adapter-invalid" with every unknown name and wrong shape, before anything is changed
   */
  write(tensors: AdapterTensors, steps = 0): void {
    this.access.mustTrain();
    const known = Object.keys(this.tensors);
    const faults = Object.entries(tensors).flatMap(([name, tensor], i) => {
      const { shape, data } = tensor;
      const own = Object.hasOwn(this.tensors, name) ? this.tensors[name] : undefined;
      // To look for near names takes time: not for more than are told of.
      if (!own) return [`${name}: unknown.${i < MAX_FAULTS ? suggestion(name, known) : ""}`];
      if (String(own.shape) !== String(shape)) return [`${name}: expected [${own.shape}], got [${shape}]`];
      if (data.length !== own.data.length)
        return [`${name}: expected ${own.data.length} values for [${shape}], got ${data.length}`];
      const fault = finiteFault(tensor);
      return fault === undefined ? [] : [`${name}: ${fault}`];
    });
    if (faults.length > 0) {
      throw new GlmError("adapter-invalid", `adapter ${this.ref.name} cannot take these tensors:${faultLines(faults)}`);
    }
    for (const [name, { data }] of Object.entries(tensors)) this.tensors[name]?.data.set(data);
    this.changed(steps);
  }

  get documents(): AdapterDocuments {
    return this.#documents;
  }

  /**
   * Keeps a text beside the tensors.
   * @param replaces what must be there now, null for nothing; anything may when it is left out
   * @throws GlmError "disk" when it cannot be written; the text is then as it was. "adapter-changed" when another is there
   */
  async writeDocument(name: string, text: string, replaces?: string | null): Promise<void> {
    this.access.mustBeThere();
    const before = this.#documents[name];
    if (replaces !== undefined && replaces !== (before ?? null)) {
      throw new GlmError(
        "adapter-changed",
        `adapter ${this.ref.name}: its ${name} was changed meanwhile, here or in another notebook. Read it again.`,
      );
    }
    this.#documents = { ...this.#documents, [name]: text };
    this.#touched = true;
    try {
      await this.flush();
    } catch (error) {
      // Unless somebody has written another since.
      if (this.#documents[name] === text) {
        const { [name]: _, ...others } = this.#documents;
        this.#documents = before === undefined ? others : { ...others, [name]: before };
      }
      throw error;
    }
  }

  /** Optimiser steps taken. */
  get steps(): number {
    return this.#steps;
  }

  /** Its values are those of an earlier time of a run, after so many steps. */
  wentBackTo(steps: number, run: number): void {
    this.#steps = steps;
    this.changed(0, { run });
  }

  /** Counts the changes of its tensors, also over restarts: what is less than it was has lost some. */
  get revision(): number {
    return this.#revision;
  }

  /** The run of training that changed it last, unless something else did since. */
  get run(): number | undefined {
    return this.#run;
  }

  /** What is left of each module's rank, where training gives ranks up. */
  get ranks(): readonly ModuleRank[] | undefined {
    return this.#ranks ?? this.adapter.ranks?.(this.tensors);
  }

  /**
   * To be called after every change of the values.
   * @param by what whoever changed the values knows: the ranks that are left, the run of training that did it
   */
  changed(steps = 0, { ranks, run }: ByWhom = {}): void {
    this.#ranks = ranks;
    this.#run = run;
    this.#setEffect(undefined);
    this.values.changed();
    this.#touched = true;
    this.#steps += steps;
    this.#revision += 1;
    this.#keeper.soon();
  }

  /** Writes the tensors as they are now. */
  flush(): Promise<void> {
    return this.#keeper.now();
  }

  /** Writes what is still to be written, if anything is. */
  settle(): Promise<void> {
    return this.#keeper.settle();
  }

  /**
   * Whoever trains is told of what could not be written before there is more of it. It is tried once more.
   * @throws GlmError "disk" when it still cannot be written
   */
  async mustBeKept(): Promise<void> {
    if (!this.#keeper.failure) return;
    await this.flush().catch((cause: Error) => {
      if (cause instanceof GlmError && cause.code !== "disk") throw cause;
      throw new GlmError(
        "disk",
        `adapter ${this.ref.name} has taken ${this.#steps} steps, of which the disk has ${this.#keptSteps}: what it learned since is ` +
          `in memory only and is lost with the runtime. ${cause.message.replace(/\.?$/, ".")} Then train on: writing is tried again before the next step.`,
        { cause },
      );
    });
  }

  #copyToKeep(): () => Promise<void> {
    const steps = this.#steps;
    const [tensors, optimizers] = [this.copy(), this.moments.copy()];
    // Told when it is written, which may be later.
    for (const copy of [tensors, optimizers]) copy.catch(() => undefined);
    const kept = {
      config: this.config,
      steps,
      revision: this.#revision,
      ...(this.#run === undefined ? {} : { run: this.#run }),
      documents: this.#documents,
      touched: this.#touched,
      ...(this.ranks === undefined ? {} : { ranks: this.ranks }),
      ...(this.#source === undefined ? {} : { source: this.#source }),
      ...(this.#note === undefined ? {} : { note: this.#note }),
    };
    return async () => {
      await this.#store.keep(this.ref, { ...kept, tensors: await tensors, optimizers: await optimizers });
      this.#keptSteps = steps;
    };
  }

  /** Nothing can be changed from now on, so that what is written next is all there will be. */
  close(): void {
    this.access.end("its model was unloaded meanwhile. Ask again: it is then loaded anew");
  }

  /** Takes back `close` and `retire`. */
  reopen(): void {
    this.access.reopen();
    this.#keeper.resume();
  }

  /** Nothing can be changed and nothing will be written any more; what was written stays. */
  async retire(): Promise<void> {
    this.access.end(
      "it was deleted or replaced meanwhile, here or in another notebook. Open it again, or make it anew",
    );
    await this.#keeper.stop();
  }

  /** Gives it up, also on disk. */
  async forget(): Promise<void> {
    await this.retire();
    try {
      await this.#store.forget(this.ref);
    } catch (error) {
      this.reopen();
      throw error;
    }
  }

  info(base: BaseModel): AdapterInfo {
    const { failure } = this.#keeper;
    const state = {
      ...{ steps: this.#steps, revision: this.#revision, merged: this.access.merged, documents: this.#documents },
      ...{ source: this.#source, note: this.#note, ranks: this.ranks },
      unkept: failure && { steps: this.#steps - this.#keptSteps, reason: failure.message },
    };
    return adapterInfo(this.ref, this.adapter, state, base);
  }
}
