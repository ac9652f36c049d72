/** @file The engines this process uses: one for every place where models run, shared by all models that run there. */
import type { CallName, Calls, Engine, EngineOptions, StreamName, Streams } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import { ReconnectingEngine } from "../runtime/reconnecting-engine.ts";

interface Shared {
  readonly engine: Promise<Engine>;
  /** Loaded models by key: how many times each was loaded and not disposed. */
  readonly models: Map<string, number>;
  users: number;
}

const shared = new Map<string, Shared>();

/**
 * Takes part in the engine of a place, which is opened when nobody has it.
 * @param place "auto": this user's runtime; "none": this process; else a runtime's address
 */
export async function leaseEngine(place: string): Promise<Lease> {
  let entry = shared.get(place);
  if (!entry) {
    entry = { engine: open(place), models: new Map(), users: 0 };
    shared.set(place, entry);
  }
  entry.users++;
  return new Lease(place, entry, await entry.engine);
}

/** One loaded model's part in an engine. */
export class Lease implements Engine {
  readonly #place: string;
  readonly #shared: Shared;
  readonly #engine: Engine;
  #model: string | undefined;
  #ended = false;

  constructor(place: string, entry: Shared, engine: Engine) {
    this.#place = place;
    this.#shared = entry;
    this.#engine = engine;
  }

  call<M extends CallName>(
    method: M,
    params: Calls[M]["params"],
    options?: EngineOptions,
  ): Promise<Calls[M]["result"]> {
    return this.#ended ? Promise.reject(disposed()) : this.#engine.call(method, params, options);
  }

  async *stream<M extends StreamName>(
    method: M,
    params: Streams[M]["params"],
    options?: EngineOptions,
  ): AsyncGenerator<Streams[M]["event"], void, void> {
    if (this.#ended) throw disposed();
    yield* this.#engine.stream(method, params, options);
  }

  /** Says which model it is for. */
  hold(model: string): void {
    this.#model = model;
    const { models } = this.#shared;
    models.set(model, (models.get(model) ?? 0) + 1);
  }

  /** Ends this part. In this process, a model that nobody uses any more is unloaded; a runtime keeps it for others. */
  async close(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#dropModel() && this.#place === "none") {
      await this.#engine.call("unload", { model: this.#model as string, force: true }).catch((error: unknown) => {
        // Unloaded for everybody before.
        if (!(error instanceof GlmError && error.code === "model-not-loaded")) throw error;
      });
    }
    if (--this.#shared.users > 0) return;
    if (shared.get(this.#place) === this.#shared) shared.delete(this.#place);
    await this.#engine.close();
  }

  /** True when this was the model's last user. */
  #dropModel(): boolean {
    if (this.#model === undefined) return false;
    const { models } = this.#shared;
    const left = (models.get(this.#model) ?? 1) - 1;
    if (left > 0) models.set(this.#model, left);
    else models.delete(this.#model);
    return left <= 0;
  }
}

function disposed(): GlmError {
  return new GlmError(
    "model-not-loaded",
    "This model was unloaded or disposed of. Load it again: %model NAME in a notebook, load(name) in code.",
  );
}

/** Native libraries are loaded only where they are used. */
async function open(place: string): Promise<Engine> {
  if (place === "none") {
    const [{ LocalEngine }, { machine }] = await Promise.all([
      import("../engine/local.ts"),
      import("../backend/machine.ts"),
    ]);
    return new LocalEngine(machine);
  }
  const { connectRuntime, connectTo } = await import("../runtime/connect.ts");
  return new ReconnectingEngine((signal) =>
    place === "auto" ? connectRuntime({ signal }) : connectTo(place, { signal }),
  );
}
