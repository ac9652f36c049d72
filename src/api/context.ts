/** @file Where a model lives and for whom: what everything that belongs to one loaded model shares. */
import { selectionOf } from "../engine/adapter-selection.ts";
import type { AdapterRef, AdapterSelection, Engine, ModelInfo } from "../engine/engine.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import type { GenerationDefaults } from "./generation.ts";

export interface HandleContext {
  readonly engine: Engine;
  readonly info: ModelInfo;
  /** @throws GlmError "model-not-found" when it is asked for and its files are not there */
  readonly tokenizer: Tokenizer;
  readonly generation: GenerationDefaults;
  /** Whether the model is in this process, and ends with it. */
  readonly isInThisProcess: boolean;
  /** Whose adapters are seen, besides the shared ones. */
  readonly owner: string;
  /** The adapters that were merged into what the owner sees when it names none. */
  merged: readonly AdapterRef[];
}

/** What the owner sees when it names no adapter. */
export const baseOf = ({ merged }: Pick<HandleContext, "merged">): AdapterSelection => selectionOf(merged);

export function refOf({ owner, name }: AdapterRef): AdapterRef {
  return { owner, name };
}

export function sameAdapter(one: AdapterRef, other: AdapterRef): boolean {
  return one.owner === other.owner && one.name === other.name;
}
