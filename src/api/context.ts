/** @file Where a model lives and for whom: what everything that belongs to one loaded model shares. */
import type { AdapterRef, Engine, ModelInfo } from "../engine/engine.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { GenerationDefaults } from "./generation.ts";

export interface HandleContext {
  readonly engine: Engine;
  readonly info: ModelInfo;
  /** @throws GlmError "model-not-found" when it is asked for and its files are not there */
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  /** Whose adapters are seen, besides the shared ones. */
  readonly owner: string;
  /** The adapter that was merged into what the owner sees when it names none; null when there is none. */
  merged: AdapterRef | null;
}

export function refOf({ owner, name }: AdapterRef): AdapterRef {
  return { owner, name };
}

export function sameAdapter(one: AdapterRef, other: AdapterRef | null): boolean {
  return one.owner === other?.owner && one.name === other.name;
}
