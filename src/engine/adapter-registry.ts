/** @file The adapters of one model: made, loaded, found again on disk, listed, saved and put away. */
import type { Adapter, AdapterConfig, AdapterEffect, BaseModel } from "../adapters/adapter.ts";
import { type CombinedPart, combinedAdapter } from "../adapters/combined-adapter.ts";
import type { AdapterDocuments } from "../adapters/documents.ts";
import { type AskedForm, readAdapter, writeAdapter } from "../adapters/files.ts";
import { createAdapter } from "../adapters/methods.ts";
import { mustBeOwnPlace } from "../adapters/save-room.ts";
import { GlmError } from "../errors.ts";
import { InTurnByKey } from "../in-turn.ts";
import { suggestion } from "../suggestion.ts";
import type { FloatTensor } from "../tensor.ts";
import { quoted, shortened } from "../text-cut.ts";
import { finiteFault } from "../weights/finite.ts";
import { adapterInfo } from "./adapter-info.ts";
import { AdapterInstance, type LiveState } from "./adapter-instance.ts";
import type { AdapterStore, Shapes } from "./adapter-store.ts";
import { type AdapterInfo, type AdapterRef, type Existing, SHARED, type WeightedAdapter } from "./engine.ts";
import { endedJob, jobOf } from "./runs/job-run.ts";
import { copyMetrics } from "./runs/metrics-log.ts";
import { RunFolder, trainedElsewhere } from "./runs/run-folder.ts";

/** Names become file names and words of magics: letters of any script, digits, and . _ - inside. */
const NAME = /^[\p{L}\p{N}_][\p{L}\p{N}._-]{0,63}$/u;

/** What users write where no adapter is meant. */
const NO_ADAPTER = "none";

interface CreateOptions {
  readonly existing?: Existing | undefined;
  readonly documents?: AdapterDocuments | undefined;
}

export interface NewAdapter {
  readonly adapter: AdapterInstance;
  /** The name under which the one that had this name before is kept. */
  readonly setAside?: string;
}

/** Whoever holds something for adapters is told when it can go. */
export interface RegistryEvents {
  /** Effects that adapters no longer have. */
  over?(effect: AdapterEffect): void;
  /** An adapter that was in memory and is no longer there: it was deleted or replaced. */
  gone?(adapter: AdapterInstance): Promise<void>;
}

export class AdapterRegistry {
  readonly #base: BaseModel;
  readonly #store: AdapterStore;
  readonly #on: RegistryEvents;
  readonly #live = new Map<string, AdapterInstance>();
  /** By key: the end of whatever is being done to that adapter's place, in memory and on disk. */
  readonly #turns = new InTurnByKey<string>();

  constructor(base: BaseModel, store: AdapterStore, on: RegistryEvents = {}) {
    this.#base = base;
    this.#store = store;
    this.#on = on;
  }

  /**
   * @throws GlmError "adapter-exists" when the owner has one of that name that must stay, "adapter-invalid" for a bad
   * configuration or when the one of that name is being trained
   */
  async create(
    ref: AdapterRef,
    config: AdapterConfig,
    seed: number,
    { existing, documents = {} }: CreateOptions = {},
  ): Promise<NewAdapter> {
    return this.#inTurn(ref, async () => {
      await this.#check(ref, existing);
      const adapter = createAdapter(config, this.#base);
      const state = { tensors: await adapter.initialize(seed), steps: 0, documents };
      return this.#add(this.#instance(ref, adapter, state), existing);
    });
  }

  async load(ref: AdapterRef, folder: string, existing?: Existing): Promise<NewAdapter> {
    return this.#inTurn(ref, async () => {
      await this.#check(ref, existing);
      const { config, tensors, documents, note } = await readAdapter(folder, this.#base);
      const state = { tensors, steps: 0, source: folder, documents, ...(note === undefined ? {} : { note }) };
      return this.#add(this.#instance(ref, createAdapter(config, this.#base), state), existing);
    });
  }

  /**
   * A new adapter of what others are now, each counted by its weight.
   * @throws GlmError "unsupported" when no adapter does what they do together, and as `create`
   */
  async combine(ref: AdapterRef, parts: readonly WeightedAdapter[], existing?: Existing): Promise<NewAdapter> {
    // Before its turn: it may take the name of one of them.
    const found = parts.map(async ({ adapter, weight }): Promise<CombinedPart> => {
      const part = await this.find(adapter);
      return { name: part.ref.name, adapter: part.adapter, tensors: await part.copy(), weight };
    });
    const { config, tensors } = await combinedAdapter(await Promise.all(found), this.#base);
    return this.#inTurn(ref, async () => {
      await this.#check(ref, existing);
      const note = `It is what ${parts.map(({ adapter, weight }) => `${weight}*${adapter.name}`).join(" + ")} was.`;
      const state = { tensors, steps: 0, touched: true, note };
      return this.#add(this.#instance(ref, createAdapter(config, this.#base), state), existing);
    });
  }

  /**
   * The owner's adapter of that name, else the shared one; from disk when it is not in memory.
   * @throws GlmError "adapter-not-found" with the nearest name
   */
  async find(ref: AdapterRef): Promise<AdapterInstance> {
    for (const owner of new Set([ref.owner, SHARED])) {
      const found = await this.#resident({ owner, name: ref.name });
      if (found) return found;
    }
    throw await this.#notFound(ref);
  }

  async #notFound(ref: AdapterRef): Promise<GlmError> {
    const names = await this.names(ref.owner);
    const hint =
      names.length > 0
        ? difference(ref.name, names) + suggestion(ref.name, names)
        : " This notebook has none yet: create one first.";
    return new GlmError("adapter-not-found", `there is no adapter ${shortened(ref.name, 100)}.${hint}`);
  }

  /** Names of the owner's adapters and of the shared ones. */
  async names(owner: string): Promise<string[]> {
    const names = await Promise.all([...new Set([owner, SHARED])].map((each) => this.#store.names(each)));
    return [...new Set(names.flat())];
  }

  /** One that cannot be read is left out; using it by name says what is wrong. */
  async list(owner: string): Promise<AdapterInfo[]> {
    const infos: AdapterInfo[] = [];
    let failure: unknown;
    for (const each of new Set([owner, SHARED])) {
      const live = [...this.#live.values()].flatMap(({ ref }) => (ref.owner === each ? [ref.name] : []));
      const kept = await this.#store.names(each).catch((error: unknown) => {
        failure = error;
        return [];
      });
      for (const name of new Set([...kept, ...live])) {
        const info = await this.#info({ owner: each, name }).catch(() => undefined);
        if (info) infos.push(info);
      }
    }
    // What is in memory is there, even where the disk fails; nothing at all would be no answer.
    if (failure !== undefined && infos.length === 0) throw failure;
    return infos;
  }

  /** Without bringing it into memory: a notebook that is run often has many that were set aside. */
  async #info(ref: AdapterRef): Promise<AdapterInfo> {
    const live = this.#live.get(keyOf(ref));
    if (live) return live.info(this.#base);
    const { shapes, ...summary } = await this.#store.summary(ref);
    const adapter = createAdapter(summary.config, this.#base);
    mustFitModel(ref, adapter, shapes);
    return adapterInfo(ref, adapter, { ...summary, merged: false }, this.#base);
  }

  /** Addresses of all adapters in memory, whoever owns them. */
  async resident(): Promise<AdapterRef[]> {
    return [...this.#live.values()].map(({ ref }) => ref);
  }

  /**
   * @param replace whatever the folder holds
   * @throws GlmError "option-invalid" for a form that its method has not, or for a folder with files of others
   */
  async save(
    ref: AdapterRef,
    folder: string,
    baseModel: string,
    {
      asked,
      replace = false,
    }: { readonly asked?: Omit<AskedForm, "base"> | undefined; readonly replace?: boolean } = {},
  ): Promise<void> {
    const adapter = await this.find(ref);
    const { name } = adapter.ref;
    if (!replace) await mustBeOwnPlace(folder, { name, source: adapter.source, format: asked?.format });
    const stored = { name, config: adapter.config, tensors: await adapter.copy(), documents: adapter.documents };
    await writeAdapter(folder, stored, baseModel, asked && { ...asked, base: this.#base });
    const run = this.#store.runFolder(adapter.ref);
    await copyMetrics((await jobOf(new RunFolder(run))) ?? run, folder);
  }

  /**
   * Puts one away, in memory and on disk; also one that is damaged and cannot be used any more.
   * @throws GlmError "adapter-invalid" while it is being trained, "adapter-not-found" with the nearest name
   */
  async dispose(ref: AdapterRef): Promise<void> {
    for (const owner of new Set([ref.owner, SHARED])) {
      if (await this.#forgotten({ owner, name: ref.name })) return;
    }
    throw await this.#notFound(ref);
  }

  /** @returns whether there was one */
  #forgotten(own: AdapterRef): Promise<boolean> {
    return this.#inTurn(own, async () => {
      const adapter = this.#live.get(keyOf(own));
      if (!adapter && !(await this.#store.has(own))) return false;
      await this.#mustNotBeTrained(own);
      const release = await adapter?.access.beginEnd();
      try {
        await (adapter ? adapter.forget() : this.#store.forget(own));
      } finally {
        release?.();
      }
      this.#live.delete(keyOf(own));
      if (adapter) await this.#gone(adapter);
      return true;
    });
  }

  /** Writes whatever has not been written yet: all that can be, before the first failure is thrown. */
  async settle(): Promise<void> {
    await this.#turns.idle();
    const settled = await Promise.allSettled([...this.#live.values()].map((adapter) => adapter.settle()));
    for (const result of settled) if (result.status === "rejected") throw result.reason;
  }

  /**
   * Settles what nobody may change any more: all adapters are then as they are on the disk.
   * @throws GlmError "adapter-invalid" while one is being trained, "disk" when one cannot be written; all are then as before
   */
  async settleForGood(): Promise<void> {
    await this.#turns.idle();
    const adapters = [...this.#live.values()];
    do await Promise.all(adapters.map(({ access }) => access.idle()));
    while (adapters.some(({ access }) => access.isBrieflyTaken));
    // While one of them was waited for, another may have begun: all are looked at before the first is closed.
    for (const { access } of adapters) access.mustBeIdle();
    for (const adapter of adapters) adapter.close();
    try {
      await this.settle();
    } catch (error) {
      for (const adapter of adapters) adapter.reopen();
      throw error;
    }
  }

  /** Settles, and writes nothing any more, whatever came of that. */
  async close(): Promise<void> {
    for (const adapter of this.#live.values()) adapter.close();
    try {
      await this.settle();
    } finally {
      await Promise.all([...this.#live.values()].map((adapter) => adapter.retire()));
    }
  }

  async #add(adapter: AdapterInstance, existing?: Existing): Promise<NewAdapter> {
    await this.#mustNotBeTrained(adapter.ref);
    const before = this.#live.get(keyOf(adapter.ref));
    // Not under the hands of whoever trains it, and nobody begins meanwhile.
    const release = await before?.access.beginEnd();
    try {
      await before?.settle();
      const setAside = existing === "replace" ? undefined : await this.#store.setAside(adapter.ref);
      // A replaced adapter must not write itself over its successor, unless there is none after all.
      await before?.retire();
      await adapter.flush().catch(async (error: unknown) => {
        await adapter.retire();
        before?.reopen();
        throw error;
      });
      this.#live.set(keyOf(adapter.ref), adapter);
      if (before) await this.#gone(before);
      await this.#store.moveRun(adapter.ref, setAside);
      return { adapter, ...(setAside === undefined ? {} : { setAside }) };
    } finally {
      release?.();
    }
  }

  /** Where the run of training of an adapter is kept. */
  runFolder(ref: AdapterRef): string {
    return this.#store.runFolder(ref);
  }

  /** @throws GlmError "adapter-invalid" while another process, or a job, trains it: what that comes to would be nobody's */
  async #mustNotBeTrained(ref: AdapterRef): Promise<void> {
    const folder = new RunFolder(this.runFolder(ref));
    const runner = folder.runner();
    if (runner) throw trainedElsewhere(ref.name, runner);
    await endedJob(folder, ref.name);
  }

  /** The folders of all adapters' runs. */
  runFolders(): Promise<readonly string[]> {
    return this.#store.runFolders();
  }

  async #resident(ref: AdapterRef): Promise<AdapterInstance | undefined> {
    const key = keyOf(ref);
    const known = this.#live.get(key);
    if (known) return known;
    return this.#inTurn(ref, async () => {
      // Whoever asked at the same time may have been faster: there must be one live adapter, or training is lost in another.
      const meanwhile = this.#live.get(key);
      if (meanwhile) return meanwhile;
      if (!(await this.#store.has(ref))) return undefined;
      const adapter = await this.#fromDisk(ref);
      this.#live.set(key, adapter);
      return adapter;
    });
  }

  /** What makes, finds and removes the adapter of one name waits for one another; its work must not take another turn. */
  #inTurn<T>(ref: AdapterRef, work: () => Promise<T>): Promise<T> {
    return this.#turns.do(keyOf(ref), work);
  }

  async #fromDisk(ref: AdapterRef): Promise<AdapterInstance> {
    const { config, source, ...kept } = await this.#store.read(ref);
    const adapter = createAdapter(config, this.#base);
    mustFitModel(ref, adapter, kept.tensors);
    for (const { name } of adapter.parameters) {
      const fault = finiteFault(kept.tensors[name] as FloatTensor);
      if (fault !== undefined) throw unfit(ref, `${name}: ${fault}`);
    }
    return this.#instance(ref, adapter, { ...kept, ...(source === undefined ? {} : { source }) });
  }

  #instance(ref: AdapterRef, adapter: Adapter, state: LiveState): AdapterInstance {
    return new AdapterInstance(ref, adapter, state, this.#store, this.#on.over);
  }

  async #gone(adapter: AdapterInstance): Promise<void> {
    adapter.leave();
    await this.#on.gone?.(adapter);
  }

  /** Whether the name is one, and free where it has to be. */
  async #check(ref: AdapterRef, existing: Existing | undefined): Promise<void> {
    if (!NAME.test(ref.name) || ref.name === NO_ADAPTER) {
      throw new GlmError(
        "adapter-invalid",
        `adapter name ${quoted(ref.name, 100)}: expected up to 64 letters, digits, dots, dashes and underscores, ` +
          `starting with a letter or digit, and not "${NO_ADAPTER}", which means the base model.`,
      );
    }
    if (existing !== "refuse" || !(await this.#store.has(ref))) return;
    throw new GlmError("adapter-exists", `there is an adapter ${ref.name} already. Use it, or choose another name.`);
  }
}

/** How "a-b" is written where a and b are adapters, and a-b is none. */
function difference(name: string, names: readonly string[]): string {
  const cut = [...name.matchAll(/-/g)].find(
    ({ index }) => names.includes(name.slice(0, index)) && names.includes(name.slice(index + 1)),
  );
  if (!cut) return "";
  const [from, less] = [name.slice(0, cut.index), name.slice(cut.index + 1)];
  return ` ${from} without ${less} is written with spaces, "${from} - ${less}", or ${from}-1*${less}.`;
}

const keyOf = ({ owner, name }: AdapterRef): string => JSON.stringify([owner, name]);

/** @throws GlmError "adapter-invalid" when the adapter of a configuration has other tensors on this model than were kept */
function mustFitModel(ref: AdapterRef, { parameters }: Adapter, kept: Shapes): void {
  for (const { name, shape } of parameters) {
    const found = kept[name];
    if (String(found?.shape) === String(shape)) continue;
    throw unfit(ref, `${name}: expected [${shape}], got ${found ? `[${found.shape}]` : "nothing"}`);
  }
}

const unfit = ({ name }: AdapterRef, why: string): GlmError =>
  new GlmError(
    "adapter-invalid",
    `adapter ${name}: what was kept on disk does not fit this model (${why}). Delete it and train it again.`,
  );
