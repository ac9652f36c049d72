/** @file The engines this process uses: one for every place where models run, shared by all models that run there. */
import type { Engine } from "../engine/engine.ts";
import { LastingEngine } from "../engine/lasting.ts";

interface Shared {
  readonly engine: Promise<Engine>;
  /** Loaded models by key: how many times each was loaded and not disposed. */
  readonly models: Map<string, number>;
  users: number;
}

const shared = new Map<string, Shared>();

/** Somebody's use of an engine. */
export interface Use {
  readonly engine: Engine;
  /** Lets go of the engine, and of a model in it. In this process, a model nobody uses any more is unloaded. */
  release(model?: string): Promise<void>;
  /** Says that a model is in use. */
  hold(model: string): void;
}

/** @param place "auto": this user's runtime; "none": this process; else a runtime's address */
export async function useEngine(place: string): Promise<Use> {
  let entry = shared.get(place);
  if (!entry) {
    entry = { engine: open(place), models: new Map(), users: 0 };
    shared.set(place, entry);
  }
  const { models } = entry;
  const own = entry;
  own.users++;
  const leave = async (): Promise<void> => {
    if (--own.users > 0) return;
    if (shared.get(place) === own) shared.delete(place);
    await (await own.engine).close();
  };
  try {
    const engine = await own.engine;
    return {
      engine,
      hold: (model) => models.set(model, (models.get(model) ?? 0) + 1),
      release: async (model) => {
        if (model !== undefined && drop(models, model) && place === "none") {
          await engine.call("unload", { model }).catch(() => undefined);
        }
        await leave();
      },
    };
  } catch (error) {
    shared.delete(place);
    throw error;
  }
}

/** True when that was the model's last use. */
function drop(models: Map<string, number>, model: string): boolean {
  const left = (models.get(model) ?? 1) - 1;
  if (left > 0) models.set(model, left);
  else models.delete(model);
  return left <= 0;
}

/** Native libraries are loaded only where they are used. */
async function open(place: string): Promise<Engine> {
  if (place === "none") {
    const { LocalEngine } = await import("../engine/local.ts");
    return new LocalEngine();
  }
  const { connectRuntime, connectTo } = await import("../engine/connect.ts");
  return new LastingEngine(() => (place === "auto" ? connectRuntime() : connectTo(place)));
}
