/**
 * @file An engine that outlives its connection: when a runtime or a worker was lost, the next question finds another.
 *
 * It remembers what was loaded, and loads it again when the engine behind it does not have it (any more). Questions that
 * were under way when the connection broke fail; they are not repeated, since nobody knows how far they had come, but for those
 * that only look at adapters.
 */

import type {
  AdapterInfo,
  AdapterRef,
  CallName,
  Calls,
  Engine,
  EngineOptions,
  LoadEvent,
  LoadParams,
  StreamName,
  Streams,
} from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import type { RemoteEngine } from "../rpc/client.ts";
import { GradientHandles } from "./gradient-handles.ts";
import { SeenAdapters } from "./seen-adapters.ts";

interface Connection {
  readonly engine: RemoteEngine;
  /** Models that this engine has, as far as is known, or is loading again. */
  readonly models: Map<string, Promise<void>>;
}

/** A stream's events, of which the first has come. */
interface Begun<M extends StreamName> {
  readonly connection: Connection;
  readonly events: AsyncGenerator<Streams[M]["event"], void, void>;
  readonly first: IteratorResult<Streams[M]["event"], void>;
}

export class ReconnectingEngine implements Engine {
  readonly #connect: (signal: AbortSignal) => Promise<RemoteEngine>;
  /** Gives up a connection that is not there yet, for which nobody waits any more. */
  readonly #closing = new AbortController();
  /** How each model was loaded, by key. */
  readonly #loads = new Map<string, LoadParams>();
  readonly #handles = new GradientHandles();
  readonly #seen = new SeenAdapters();
  #current: Connection | undefined;
  #opening: Promise<Connection> | undefined;

  /** @param connect finds the engine, or starts it; its signal is aborted when this is closed */
  constructor(connect: (signal: AbortSignal) => Promise<RemoteEngine>) {
    this.#connect = connect;
  }

  async call<M extends CallName>(
    method: M,
    params: Calls[M]["params"],
    options: EngineOptions = {},
  ): Promise<Calls[M]["result"]> {
    const model = "model" in params ? params.model : undefined;
    const ask = async ({ engine }: Connection): Promise<Calls[M]["result"]> => {
      await this.#seen.check(method, params as never, adapterInfo(engine, options));
      return engine.call(method, this.#handles.inward(method, params), options);
    };
    if (TIDIES.has(method)) {
      await this.#tidy(ask);
      if (method === "unload" && model !== undefined) this.#current?.models.delete(model);
      return undefined as Calls[M]["result"];
    }
    const result = await this.#with(model, options.signal, ask).catch((error: unknown) => {
      if (!LOOKS.has(method) || !isLoss(error) || !this.#current?.engine.lost) throw error;
      return this.#with(model, options.signal, ask);
    });
    this.#seen.note(method, params, result);
    return this.#handles.outward(method, params, result);
  }

  async *stream<M extends StreamName>(
    method: M,
    params: Streams[M]["params"],
    options: EngineOptions = {},
  ): AsyncGenerator<Streams[M]["event"], void, void> {
    const model = "model" in params ? params.model : undefined;
    // The first event tells whether the engine has the model; from then on nothing is repeated.
    const begin = async (connection: Connection): Promise<Begun<M>> => {
      await this.#seen.check(method, params as never, adapterInfo(connection.engine, options));
      const events = connection.engine.stream(method, params, options);
      return { connection, events, first: await events.next() };
    };
    const { connection, events, first } = await this.#with(model, options.signal, begin).catch((error: unknown) => {
      // Loading that nobody has heard of yet was asked of a runtime about to end: it leaves nothing half done.
      if (method !== "load" || !isLoss(error) || !this.#current?.engine.lost) throw error;
      return this.#with(model, options.signal, begin);
    });
    try {
      for (let next = first; !next.done; next = await events.next()) {
        if (!("model" in params)) this.#remember(connection, params, next.value as LoadEvent);
        yield next.value;
      }
    } finally {
      await events.return();
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const connection = await this.#opening?.catch(() => undefined);
    await (connection ?? this.#current)?.engine.close();
  }

  /** Runs a question on an engine that has the model. */
  async #with<T>(
    model: string | undefined,
    signal: AbortSignal | undefined,
    work: (connection: Connection) => Promise<T>,
  ): Promise<T> {
    const connection = await unlessAborted(this.#connected(), signal);
    const known = model !== undefined && this.#loads.has(model);
    const loaded = known ? this.#loaded(connection, model) : undefined;
    if (loaded) await unlessAborted(loaded, signal);
    try {
      return await work(connection);
    } catch (error) {
      if (!loaded || !known || !(error instanceof GlmError && error.code === "model-not-loaded")) throw error;
      // Its worker was lost, or somebody unloaded it. The question was refused, so it may be asked again. Another one may
      // have found out before, and be loading it already.
      forget(connection.models, model, loaded);
      await unlessAborted(this.#loaded(connection, model), signal);
      return work(connection);
    }
  }

  /** Asks for what is done where the model, or its runtime, is gone: nothing is started or loaded for its sake. */
  async #tidy(ask: (connection: Connection) => Promise<unknown>): Promise<void> {
    const connection = this.#current;
    if (!connection || connection.engine.lost) return;
    try {
      await ask(connection);
    } catch (error) {
      const isGone = error instanceof GlmError && (error.code === "model-not-loaded" || isLoss(error));
      if (!isGone) throw error;
    }
  }

  /** The connection that lasts; whoever misses it first opens the next one for all. */
  async #connected(): Promise<Connection> {
    if (this.#closing.signal.aborted) throw closed();
    if (this.#current && !this.#current.engine.lost) return this.#current;
    this.#opening ??= this.#open().finally(() => {
      this.#opening = undefined;
    });
    return this.#opening;
  }

  async #open(): Promise<Connection> {
    const { signal } = this.#closing;
    const engine = await this.#connect(signal).catch((error: unknown) => {
      throw signal.aborted ? closed() : error;
    });
    if (signal.aborted) {
      await engine.close();
      throw closed();
    }
    this.#current = { engine, models: new Map() };
    return this.#current;
  }

  #remember({ models }: Connection, params: LoadParams, event: LoadEvent): void {
    if (event.type !== "ready") return;
    // As it was loaded: what was left to choose may come out otherwise. From the folder it came from: a hub may have another version by then, and need not be asked.
    const { device, precision } = event.model;
    const { hub, ...rest } = { ...params, device, precision };
    this.#loads.set(event.model.key, hub ? { ...rest, name: event.model.folder } : rest);
    models.set(event.model.key, Promise.resolve());
  }

  #loaded({ engine, models }: Connection, model: string): Promise<void> {
    const known = models.get(model);
    if (known) return known;
    const loading = this.#reload(engine, model);
    models.set(model, loading);
    loading.catch(() => forget(models, model, loading));
    return loading;
  }

  async #reload(engine: RemoteEngine, model: string): Promise<void> {
    const params = this.#loads.get(model);
    if (!params) return;
    this.#handles.forget(model);
    this.#seen.doubt(model);
    for await (const event of engine.stream("load", params)) {
      if (event.type !== "ready" || event.model.key === model) continue;
      throw new GlmError(
        "model-not-loaded",
        `${params.name} had to be loaded again, and its files are no longer those it was first loaded from. Load it anew.`,
      );
    }
  }
}

/** Those that have nothing to do where the model is gone; they have no result. */
const TIDIES: ReadonlySet<CallName> = new Set(["unload", "releaseGradients"]);

/** What only looks at adapters, and is soon answered: asked of a runtime that was about to end, it is asked again. */
const LOOKS: ReadonlySet<CallName> = new Set(["adapterInfo", "adapters", "readAdapter", "readDocument", "run"]);

/** Unless it is another one by now. */
function forget(models: Map<string, Promise<void>>, model: string, loading: Promise<void>): void {
  if (models.get(model) === loading) models.delete(model);
}

const adapterInfo =
  (engine: RemoteEngine, options: EngineOptions) =>
  (model: string, adapter: AdapterRef): Promise<AdapterInfo> =>
    engine.call("adapterInfo", { model, adapter }, options);

const isLoss = (error: unknown): boolean => error instanceof GlmError && error.code === "runtime-lost";

function closed(): GlmError {
  return new GlmError("runtime-lost", "This connection to the model was closed (dispose). Load the model again.");
}

/** Stops waiting when the signal says so; what is awaited goes on for others. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  signal.throwIfAborted();
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(signal.reason);
    signal.addEventListener("abort", stop, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}
