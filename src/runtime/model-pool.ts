/**
 * @file All models of a runtime as one engine: a worker for each model, and every question goes to the worker that has it.
 *
 * Computing blocks a worker, never this thread. A worker that dies takes its model along; those who waited are told,
 * and the next load starts another.
 */

import type {
  CallName,
  Calls,
  Engine,
  EngineOptions,
  LoadEvent,
  LoadParams,
  ModelInfo,
  ResidentModel,
  StreamName,
  Streams,
} from "../engine/engine.ts";
import { asAsked, isElsewhere, mustBeAuto } from "../engine/one-device.ts";
import { mustBeElsewhere } from "../engine/save-place.ts";
import { GlmError } from "../errors.ts";
import { requestKey } from "../hub/request.ts";
import { Broadcast } from "../rpc/broadcast.ts";
import { RemoteEngine } from "../rpc/client.ts";
import type { Log } from "./log.ts";
import { lostMessage } from "./lost.ts";
import { type WorkerHandle, type WorkerKind, workerKind } from "./workers.ts";

/** One worker and what it holds. */
interface Slot {
  readonly name: string;
  readonly kind: WorkerKind;
  /** What it was started for, as `sourceOf` says it. */
  readonly source: string;
  readonly worker: WorkerHandle;
  readonly engine: Promise<RemoteEngine>;
  /** Its end, once it has begun. */
  leaving?: Promise<void>;
  loading?: Broadcast<LoadEvent>;
  /** By key: the model, once it is loaded, and those that its folder held before, which others may still use. */
  readonly residents: Map<string, ResidentModel>;
  /** Questions being answered or waiting. */
  requests: number;
}

/** A model of the pool with what waits for it. */
export interface PoolModel extends ResidentModel {
  readonly requests: number;
}

/** A busy worker does not answer while it computes: after this time its last answer serves, in milliseconds. */
const FRESH_MS = 300;
/** How long a worker may take to put things away, in milliseconds. */
const FAREWELL_MS = 3000;

export class ModelPool implements Engine {
  readonly #startWorker: (name: string, kind: WorkerKind) => WorkerHandle;
  readonly #log: Log;
  /** By what was asked for. Several requests can lead to one slot ("tiny", its folder; "auto", "cpu"). */
  readonly #slots = new Map<string, Slot>();

  /** @param log is told what nobody else can be told any more */
  constructor(startWorker: (name: string, kind: WorkerKind) => WorkerHandle, log: Log = () => undefined) {
    this.#startWorker = startWorker;
    this.#log = log;
  }

  async call<M extends CallName>(
    method: M,
    params: Calls[M]["params"],
    options?: EngineOptions,
  ): Promise<Calls[M]["result"]> {
    options?.signal?.throwIfAborted();
    if (!("model" in params)) return (await this.models()) as Calls[M]["result"];
    const slot = this.#slotOf(params.model);
    if (method === "unload")
      return (await this.#unload(slot, params as Calls["unload"]["params"], options)) as Calls[M]["result"];
    if (method === "saveModel") await mustBeElsewhere((params as Calls["saveModel"]["params"]).folder, this.#loaded());
    return this.#counted(slot, async () => (await slot.engine).call(method, params, options));
  }

  stream<M extends StreamName>(
    method: M,
    params: Streams[M]["params"],
    options: EngineOptions = {},
  ): AsyncGenerator<Streams[M]["event"], void, void> {
    if (!("model" in params)) return this.#load(params, options.signal);
    return this.#stream(method, params, params.model, options);
  }

  async close(): Promise<void> {
    await Promise.all([...new Set(this.#slots.values())].map((slot) => this.#remove(slot)));
  }

  /** What is resident, at once: a worker that computes is reported as it last was. */
  async models(): Promise<readonly PoolModel[]> {
    const slots = [...new Set(this.#slots.values())];
    await Promise.all(slots.map((slot) => this.#refresh(slot)));
    return slots.flatMap(({ residents, requests }) =>
      [...residents.values()].map((resident) => ({ ...resident, requests })),
    );
  }

  #loaded(): ModelInfo[] {
    return [...this.#slots.values()].flatMap(({ residents }) => [...residents.values()].map(({ model }) => model));
  }

  async *#stream<M extends StreamName>(
    method: M,
    params: Streams[M]["params"],
    model: string,
    options: EngineOptions,
  ): AsyncGenerator<Streams[M]["event"], void, void> {
    const slot = this.#slotOf(model);
    slot.requests++;
    try {
      yield* (await slot.engine).stream(method, params, options);
    } finally {
      slot.requests--;
    }
  }

  async #counted<T>(slot: Slot, work: () => Promise<T>): Promise<T> {
    slot.requests++;
    try {
      return await work();
    } finally {
      slot.requests--;
    }
  }

  /** All who load the same model meanwhile read the progress of one load. */
  async *#load(params: LoadParams, signal: AbortSignal | undefined): AsyncGenerator<LoadEvent, void, void> {
    const wanted = wantedBy(params);
    // A slot without a model whose loading was given up is on its way out.
    const inUse = (slot: Slot | undefined): slot is Slot =>
      slot !== undefined && (slot.residents.size > 0 || slot.loading?.running === true);
    let slot = this.#slots.get(wanted);
    if (!inUse(slot)) {
      const kind = await workerKind(params.device);
      // Whoever asked at the same time may have started it.
      slot = this.#slots.get(wanted);
      if (!inUse(slot)) {
        slot = this.#holding(params, kind) ?? this.#start(params, kind);
        this.#slots.set(wanted, slot);
      }
    }
    const own = slot;
    if (!own.loading?.running) own.loading = new Broadcast((stop) => this.#loadInto(own, params, stop));
    yield* own.loading.read(signal);
  }

  async *#loadInto(slot: Slot, params: LoadParams, signal: AbortSignal): AsyncGenerator<LoadEvent, void, void> {
    try {
      const engine = await slot.engine;
      for await (const event of engine.stream("load", params, { signal })) {
        yield event.type === "ready" ? await this.#settle(slot, params, event.model) : event;
      }
    } finally {
      if (slot.residents.size === 0) await this.#remove(slot);
    }
  }

  /** The same weights can be asked for in several ways: the first worker that has them serves all. */
  async #settle(slot: Slot, params: LoadParams, model: ModelInfo): Promise<LoadEvent> {
    const { key } = model;
    const others = [...this.#slots.values()].filter((other) => other !== slot);
    const first = others.find(({ residents }) => residents.has(key));
    const elsewhere = others
      .flatMap((other) => [...other.residents.values()].map((resident) => ({ other, known: resident.model })))
      .find(({ known }) => isElsewhere(known, model));
    if (!first && elsewhere) return await this.#settleElsewhere(slot, elsewhere.other, elsewhere.known, params, model);
    if (!first) {
      if (!slot.residents.has(key)) {
        slot.residents.set(key, { model, adapters: [], mappedBytes: 0 });
        // Now, when it has time: a worker that computes is reported as it last was.
        await this.#refresh(slot);
        // Not before: where two workers load one model, the other one must not train the same adapters. Nobody waits for it.
        void slot.engine.then((engine) => engine.call("resumeRuns", { model: key })).catch(() => undefined);
      }
      return { type: "ready", model };
    }
    this.#point(slot, params, first);
    if (slot.residents.size > 0) await (await slot.engine).call("unload", { model: key });
    return { type: "ready", model: { ...model, resident: true } };
  }

  /** Whoever asks so is served by another slot from now on. */
  #point(slot: Slot, params: LoadParams, there: Slot): void {
    // The folder's content has become that of another; what it was stays where it is.
    if (slot.residents.size > 0) this.#slots.set(wantedBy(params), there);
    else for (const [wanted, other] of this.#slots) if (other === slot) this.#slots.set(wanted, there);
  }

  /** Another worker has the weights on another device: that is where they stay. */
  async #settleElsewhere(
    slot: Slot,
    there: Slot,
    known: ModelInfo,
    params: LoadParams,
    model: ModelInfo,
  ): Promise<LoadEvent> {
    await (await slot.engine).call("unload", { model: model.key });
    mustBeAuto(params, known);
    this.#point(slot, params, there);
    return { type: "ready", model: asAsked(known, model) };
  }

  /**
   * Who has the model on the GPU already, asked for otherwise: there it is found before it is uploaded, for which a second time
   * there may be no room.
   */
  #holding(params: LoadParams, kind: WorkerKind): Slot | undefined {
    if (kind !== "process" || params.quantize !== "none") return undefined;
    const source = sourceOf(params);
    return [...this.#slots.values()].find(
      (slot) => slot.kind === kind && slot.source === source && slot.residents.size > 0 && !slot.loading?.running,
    );
  }

  #start(params: LoadParams, kind: WorkerKind): Slot {
    const { name } = params;
    const worker = this.#startWorker(name, kind);
    const lost = lostMessage(`The worker that held ${name} ended unexpectedly.`, "the model is then loaded anew");
    const engine = RemoteEngine.connect(worker.channel, lost);
    const slot: Slot = { name, kind, source: sourceOf(params), worker, engine, residents: new Map(), requests: 0 };
    engine.catch(() => undefined);
    void worker.exited.then(() => this.#remove(slot));
    return slot;
  }

  #slotOf(model: string): Slot {
    for (const slot of this.#slots.values()) if (slot.residents.has(model)) return slot;
    throw new GlmError(
      "model-not-loaded",
      `No model of key ${model} is loaded here: it was unloaded, or its worker ended. Load it again.`,
    );
  }

  /** A worker goes with its last model. */
  async #unload(slot: Slot, params: Calls["unload"]["params"], options?: EngineOptions): Promise<void> {
    await (await slot.engine).call("unload", params, options);
    slot.residents.delete(params.model);
    if (slot.residents.size === 0) await this.#remove(slot);
  }

  /** Lets a worker put its adapters on disk, if it can within a short time, and ends it. */
  #remove(slot: Slot): Promise<void> {
    slot.leaving ??= this.#leave(slot);
    return slot.leaving;
  }

  async #leave(slot: Slot): Promise<void> {
    for (const [wanted, other] of this.#slots) if (other === slot) this.#slots.delete(wanted);
    const engine = await slot.engine.catch(() => undefined);
    if (engine && slot.residents.size > 0) {
      const soon = { signal: AbortSignal.timeout(FAREWELL_MS) };
      const unloaded = [...slot.residents.keys()].map((model) => engine.call("unload", { model, force: true }, soon));
      for (const result of await Promise.allSettled(unloaded)) {
        if (result.status === "rejected") this.#log(`[${slot.name}] not everything was written: ${result.reason}`);
      }
    }
    await engine?.close();
    await slot.worker.stop();
  }

  async #refresh(slot: Slot): Promise<void> {
    if (slot.residents.size === 0) return;
    const fresh = (await slot.engine).call("models", {}, { signal: AbortSignal.timeout(FRESH_MS) });
    const found = await fresh.catch(() => undefined);
    for (const resident of found ?? []) {
      if (slot.residents.has(resident.model.key)) slot.residents.set(resident.model.key, resident);
    }
  }
}

/** What is asked for, wherever and however it is to be computed with. */
const sourceOf = ({ device: _, precision: __, ...params }: LoadParams): string =>
  JSON.stringify([givenOf(params).sort()]);

/** What tells one way of asking for a model from another. What is left out may be there as nothing. */
const wantedBy = ({ hub, ...params }: LoadParams): string =>
  JSON.stringify([givenOf(params).sort(), hub ? requestKey(hub) : null]);

const givenOf = (params: object): [string, unknown][] =>
  Object.entries(params).filter(([, value]) => value !== undefined);
