/**
 * @file The engine that holds the weights itself, in the thread that calls it.
 *
 * onnxruntime blocks that thread while it computes, so streams let others have a turn after every token and step: that is
 * when a cancellation arrives.
 */
import { setImmediate as turn } from "node:timers/promises";
import { readAdapter } from "../adapters/files.ts";
import type { Devices } from "../backend/devices.ts";
import { receivedRows } from "../data/row-file.ts";
import { GlmError } from "../errors.ts";
import type { NewAdapter } from "./adapter-registry.ts";
import { type ChosenDevice, chosenDevices } from "./chosen-device.ts";
import type {
  CallName,
  Calls,
  Engine,
  EngineOptions,
  LoadEvent,
  LoadParams,
  ModelInfo,
  NewAdapterInfo,
  StreamName,
  Streams,
} from "./engine.ts";
import { ModelRunner } from "./model-runner.ts";
import { asAsked, isElsewhere, mustBeAuto } from "./one-device.ts";
import { type OpenedModel, openModel } from "./opened-model.ts";
import type { FitParams } from "./runs/model-runs.ts";
import { mustBeElsewhere } from "./save-place.ts";
import { TimeShare } from "./time-share.ts";

type CallTable = { readonly [M in CallName]: (params: Calls[M]["params"]) => Promise<Calls[M]["result"]> };
/** Calls that are training themselves. */
const TRAINS: ReadonlySet<CallName> = new Set(["gradients", "optimizerStep"]);

type StreamTable = {
  readonly [M in StreamName]: (
    params: Streams[M]["params"],
    signal?: AbortSignal,
  ) => AsyncGenerator<Streams[M]["event"], void, void>;
};

export class LocalEngine implements Engine {
  readonly #devices: Devices;
  readonly #runners = new Map<string, ModelRunner>();
  readonly #share = new TimeShare();

  /** @param devices on which models may run */
  constructor(devices: Devices) {
    this.#devices = devices;
  }

  async call<M extends CallName>(
    method: M,
    params: Calls[M]["params"],
    { signal }: EngineOptions = {},
  ): Promise<Calls[M]["result"]> {
    signal?.throwIfAborted();
    const answer = (): Promise<Calls[M]["result"]> => this.#calls[method](params);
    return TRAINS.has(method) ? answer() : this.#share.asked(answer);
  }

  async *stream<M extends StreamName>(
    method: M,
    params: Streams[M]["params"],
    { signal }: EngineOptions = {},
  ): AsyncGenerator<Streams[M]["event"], void, void> {
    signal?.throwIfAborted();
    const runner = "model" in params ? this.#runner(params.model) : undefined;
    for await (const event of this.#streams[method](params, signal)) {
      yield event;
      await turn();
      signal?.throwIfAborted();
      // Somebody else may have unloaded it meanwhile: its sessions are gone.
      if ("model" in params && this.#runner(params.model) !== runner) throw notLoaded(params.model);
    }
  }

  async close(): Promise<void> {
    const runners = [...this.#runners.values()];
    this.#runners.clear();
    await Promise.all(runners.map((runner) => runner.dispose()));
  }

  readonly #calls: CallTable = {
    models: () => Promise.all([...this.#runners.values()].map((runner) => runner.status())),
    unload: async ({ model, force = false }) => {
      const runner = this.#runner(model);
      // Before anything is given up: what is being trained, or cannot be written, stays.
      if (!force) await runner.adapters.settleForGood();
      this.#runners.delete(model);
      await runner.dispose();
    },
    logits: ({ model, inputIds, adapter, positions }) => this.#runner(model).logits(inputIds, adapter, positions),
    adapters: ({ model, owner }) => this.#runner(model).adapters.list(owner),
    createAdapter: async ({ model, adapter, config, seed, existing, documents }) => {
      const runner = this.#runner(model);
      return infoOf(await runner.adapters.create(adapter, config, seed, { existing, documents }), runner);
    },
    loadAdapter: async ({ model, adapter, folder, existing }) => {
      const runner = this.#runner(model);
      return infoOf(await runner.adapters.load(adapter, folder, existing), runner);
    },
    combineAdapters: async ({ model, adapter, parts, existing }) => {
      const runner = this.#runner(model);
      return infoOf(await runner.adapters.combine(adapter, parts, existing), runner);
    },
    saveAdapter: async ({ model, adapter, folder, format, replace }) => {
      await this.#runner(model).saveAdapter(adapter, folder, format, replace);
    },
    adapterInfo: async ({ model, adapter }) => {
      const runner = this.#runner(model);
      return (await runner.adapters.find(adapter)).info(runner.base);
    },
    disposeAdapter: async ({ model, adapter }) => {
      await this.#runner(model).adapters.dispose(adapter);
    },
    readAdapter: async ({ model, adapter }) => (await this.#runner(model).adapters.find(adapter)).copy(),
    writeAdapter: async ({ model, adapter, tensors }) => {
      const runner = this.#runner(model);
      const found = await runner.adapters.find(adapter);
      await found.access.idle();
      await found.mustBeKept();
      await found.access.briefly(() => runner.training.atHome(found, () => found.write(tensors)));
      return { revision: found.revision };
    },
    takeAdapter: async ({ model, adapter, folder, steps, revision }) => {
      const runner = this.#runner(model);
      const found = await runner.adapters.find(adapter);
      const { tensors } = await readAdapter(folder, runner.base);
      await found.access.idle();
      await found.mustBeKept();
      await found.access.briefly(() =>
        runner.training.atHome(found, () => {
          if (revision !== undefined && revision !== found.revision) throw changedMeanwhile(found.ref.name, folder);
          found.write(tensors, steps);
        }),
      );
      return { revision: found.revision };
    },
    readDocument: async ({ model, adapter, document }) =>
      (await this.#runner(model).adapters.find(adapter)).documents[document] ?? null,
    writeDocument: async ({ model, adapter, document, text, replaces }) => {
      await (await this.#runner(model).adapters.find(adapter)).writeDocument(document, text, replaces);
    },
    mergeAdapter: async ({ model, adapter }) => {
      const runner = this.#runner(model);
      const found = await runner.adapters.find(adapter);
      await found.merge(runner.base);
      // Nothing trains it any more. Where it cannot be read it is where it was, and answers from there.
      await runner.training.atHome(found, () => undefined).catch(() => undefined);
      return found.info(runner.base);
    },
    unmergeAdapter: async ({ model, adapter }) => {
      const runner = this.#runner(model);
      const found = await runner.adapters.find(adapter);
      await found.unmerge();
      return found.info(runner.base);
    },
    saveModel: async ({ model, adapter, folder, maxShardBytes, quantized }) => {
      await mustBeElsewhere(
        folder,
        [...this.#runners.values()].map(({ info }) => info),
      );
      return this.#runner(model).save(adapter, folder, maxShardBytes, quantized);
    },
    gradients: async ({ model, adapter, batch, seed, ...options }) => {
      const runner = this.#runner(model);
      return runner.training.gradients(await runner.adapters.find(adapter), batch, seed, options);
    },
    readGradients: async ({ model, handle }) => this.#runner(model).training.read(handle),
    releaseGradients: async ({ model, handle }) => {
      this.#runner(model).training.release(handle);
    },
    startRun: async (params) => {
      const { runs, adapters } = this.#runner(params.model);
      return runs.start(await adapters.find(params.adapter), await received(params));
    },
    resumeRuns: ({ model }) =>
      this.#runner(model).runs.resumeAll((why) => console.error(`a run of training does not go on: ${why}`)),
    run: async ({ model, adapter }) => {
      const { runs, adapters } = this.#runner(model);
      return (await runs.info(await adapters.find(adapter))) ?? null;
    },
    stopRun: async ({ model, adapter }) => {
      const { runs, adapters } = this.#runner(model);
      return runs.stop(await adapters.find(adapter));
    },
    noteJob: async ({ model, adapter, ...job }) => {
      const { runs, adapters } = this.#runner(model);
      return runs.noteJob(await adapters.find(adapter), job);
    },
    optimizerStep: async ({ model, adapter, ...step }) => {
      const runner = this.#runner(model);
      return runner.training.step(await runner.adapters.find(adapter), step);
    },
  };

  readonly #streams: StreamTable = {
    load: (params, signal) => this.#share.asking(this.#load(params, signal)),
    generate: ({ model, rows, options }) => this.#runner(model).generate(rows, options),
    losses: ({ model, rows }) => this.#runner(model).losses(rows),
    fit: (params, signal) => this.#fit(params, signal),
    watchRun: (params, signal) => this.#watchRun(params, signal),
    teach: (params, signal) => this.#teach(params, signal),
  };

  async *#load(params: LoadParams, signal?: AbortSignal): AsyncGenerator<LoadEvent, void, void> {
    const [first, ...others] = await chosenDevices(this.#devices, params.device);
    if (!first) throw new Error("no device was chosen");
    let full: GlmError | undefined;
    // Where it was left to choose, a model that does not fit is loaded so that it does, or where it does.
    for (const chosen of [first, ...onlyWhatIsFree(first, params), ...others]) {
      const reason = full && chosen.device !== first.device ? { reason: full.message } : {};
      try {
        return yield* this.#loadOn({ ...chosen, ...reason }, params, signal);
      } catch (error) {
        if (!(error instanceof GlmError)) throw error;
        // What was asked for is not to be had elsewhere, which is not why it failed.
        if (error.code !== "out-of-memory") throw full && error.code === "option-invalid" ? full : error;
        full ??= error;
      }
    }
    throw full;
  }

  async *#loadOn(
    chosen: ChosenDevice,
    params: LoadParams,
    signal?: AbortSignal,
  ): AsyncGenerator<LoadEvent, void, void> {
    const model = yield* opened(params, chosen, signal);
    const fresh = new ModelRunner(model, params, chosen, this.#share);
    for (const [key, known] of this.#runners) {
      if (known.isWhole || known.info.weightsKey !== fresh.info.weightsKey) continue;
      // Its files were cut under it, and are whole again: what it is mapped from is not. Or its device is gone.
      this.#runners.delete(key);
      await known.dispose();
    }
    const there = this.#holderOf(fresh.info);
    if (there) {
      yield handedOver(there, fresh.info, params, model);
      return;
    }
    yield { type: "progress", stage: "compiling the graph", done: 0, total: 1 };
    try {
      await fresh.warmUp();
    } catch (error) {
      await fresh.dispose();
      throw error;
    }
    // Whoever loaded the same model meanwhile may have been faster: two runners would train two copies of one adapter.
    const faster = this.#holderOf(fresh.info);
    if (faster) {
      await fresh.dispose();
      yield handedOver(faster, fresh.info, params, model);
      return;
    }
    this.#runners.set(fresh.info.key, fresh);
    yield { type: "ready", model: fresh.info };
  }

  async *#fit(
    params: Streams["fit"]["params"],
    signal?: AbortSignal,
  ): AsyncGenerator<Streams["fit"]["event"], void, void> {
    const { runs, adapters } = this.#runner(params.model);
    yield* runs.fit(await adapters.find(params.adapter), await received(params), signal);
  }

  async *#watchRun(
    { model, adapter }: Streams["watchRun"]["params"],
    signal?: AbortSignal,
  ): AsyncGenerator<Streams["watchRun"]["event"], void, void> {
    const { runs, adapters } = this.#runner(model);
    yield* runs.watch(await adapters.find(adapter), signal);
  }

  async *#teach(
    params: Streams["teach"]["params"],
    signal?: AbortSignal,
  ): AsyncGenerator<Streams["teach"]["event"], void, void> {
    const runner = this.#runner(params.model);
    yield* runner.teach(await runner.adapters.find(params.adapter), params.rows, params.options, signal);
  }

  /** Who has the same weights in the same form, on whatever device. */
  #holderOf({ weightsKey }: ModelInfo): ModelRunner | undefined {
    return [...this.#runners.values()].find(({ info }) => info.weightsKey === weightsKey);
  }

  #runner(key: string): ModelRunner {
    const runner = this.#runners.get(key);
    if (runner) return runner;
    throw notLoaded(key);
  }
}

/** What is trained on, wherever its rows lie. */
const received = async ({ rows, validation, options, resume }: Streams["fit"]["params"]): Promise<FitParams> => ({
  rows: await receivedRows(rows),
  validation: await receivedRows(validation),
  options,
  ...(resume === undefined ? {} : { resume }),
});

/** The device without the memory that others have, where what is planned for it may then be smaller. */
function onlyWhatIsFree(chosen: ChosenDevice, { precision }: LoadParams): ChosenDevice[] {
  const { device, memory } = chosen;
  if (precision !== "auto" || !memory || !device.can.float16) return [];
  return [{ ...chosen, memory: () => ({ total: memory().available, available: memory().available }) }];
}

/** @throws GlmError "option-invalid" when it is on another device than the one that was asked for */
function handedOver(there: ModelRunner, asked: ModelInfo, params: LoadParams, model: OpenedModel): LoadEvent {
  if (isElsewhere(there.info, asked)) mustBeAuto(params, there.info);
  there.adopt(model);
  return { type: "ready", model: asAsked(there.info, asked) };
}

const changedMeanwhile = (name: string, folder: string): GlmError =>
  new GlmError(
    "adapter-changed",
    `adapter ${name}: its values were changed here while it was trained elsewhere, and are left as they are. ` +
      `Load what was trained under another name: glm.loadAdapter("${name}-trained", "${folder}").`,
  );

const notLoaded = (key: string): GlmError =>
  new GlmError("model-not-loaded", `no model of key ${key} is loaded here. Load it again.`);

/** Opens a model, yielding the progress that it reports meanwhile. */
async function* opened(
  params: LoadParams,
  chosen: ChosenDevice,
  signal?: AbortSignal,
): AsyncGenerator<LoadEvent, OpenedModel, void> {
  const progress: LoadEvent[] = [];
  let wake = (): void => undefined;
  const report = (stage: string, done: number, total: number, unit?: "bytes"): void => {
    progress.push({ type: "progress", stage, done, total, ...(unit ? { unit } : {}) });
    wake();
  };
  report("opening the checkpoint", 0, 1);
  let settled = false;
  const opening = openModel(params, chosen, report, signal).finally(() => {
    settled = true;
    wake();
  });
  opening.catch(() => undefined);
  while (!settled) {
    yield* progress.splice(0);
    if (!settled && progress.length === 0) await new Promise<void>((resolve) => (wake = resolve));
  }
  yield* progress;
  return opening;
}

function infoOf({ adapter, ...rest }: NewAdapter, { base }: ModelRunner): NewAdapterInfo {
  return { ...adapter.info(base), ...rest };
}
