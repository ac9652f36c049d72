/** @file Where a model lives and for whom: what everything that belongs to one loaded model shares. */
import { GlmError } from "../errors.ts";
import { suggestion } from "../options.ts";
import { type AdapterInfo, type AdapterRef, type Engine, type ModelInfo, SHARED } from "../engine/engine.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { Abortable } from "./signal.ts";
import { cellSignal } from "./signal.ts";

export interface Home {
  readonly engine: Engine;
  readonly info: ModelInfo;
  readonly tokenizer: Tokenizer;
  /** Whose adapters are seen, besides the shared ones. */
  readonly owner: string;
}

/** The owner's adapters, then the shared ones. */
export async function adaptersOf(home: Home, { signal }: Abortable = {}): Promise<readonly AdapterInfo[]> {
  const { engine, info, owner } = home;
  const ask = (of: string): Promise<readonly AdapterInfo[]> =>
    engine.call("adapters", { model: info.key, owner: of }, cellSignal(signal));
  return owner === SHARED ? ask(SHARED) : [...(await ask(owner)), ...(await ask(SHARED))];
}

/**
 * The adapter of a name: the owner's own, else a shared one.
 * @throws GlmError "adapter-not-found" that names the nearest one
 */
export async function findAdapter(home: Home, name: string, options: Abortable = {}): Promise<AdapterInfo> {
  const known = await adaptersOf(home, options);
  const found = known.find((info) => info.name === name);
  if (found) return found;
  const names = known.map((info) => info.name);
  const hint = names.length === 0 ? " There is none yet: createAdapter makes one." : suggestion(name, names);
  throw new GlmError("adapter-not-found", `${home.info.name} has no adapter ${JSON.stringify(name)}.${hint}`);
}

/** What the owner sees when it names no adapter: the base, or the adapter that was merged into it. */
export async function baseOf({ engine, info, owner }: Home, { signal }: Abortable = {}): Promise<AdapterRef | null> {
  const own = await engine.call("adapters", { model: info.key, owner }, cellSignal(signal));
  const merged = own.find((adapter) => adapter.merged);
  return merged ? refOf(merged) : null;
}

export function refOf({ owner, name }: AdapterRef): AdapterRef {
  return { owner, name };
}
