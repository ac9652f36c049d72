/** @file What the magics remember between cells: the current model, and for each model its conversation and adapter. */
import { GlmError } from "../src/errors.ts";
import type { ChatGLM } from "../src/index.ts";
import { Conversation } from "./conversation.ts";

export interface ModelSession {
  readonly conversation: Conversation;
  /** The adapter that answers unless a magic names another, or a sum of several; null is the base model. */
  adapter: string | null;
  /** Names of the model's adapters as last seen, for completion. */
  adapters: readonly string[];
  /** The keys of the facts in the model's knowledge books, likewise. */
  readonly books: Map<string, readonly string[]>;
}

/** The book that facts are in unless a magic names another. */
export const DEFAULT_BOOK = "facts";

const sessions = new WeakMap<ChatGLM, ModelSession>();
let current: ChatGLM | undefined;

export function setCurrentModel(model: ChatGLM): void {
  current = model;
}

/** The model that magics use when none is named, if any was loaded. */
export function loadedModel(): ChatGLM | undefined {
  return current;
}

/** @throws GlmError "model-not-loaded" when no model is given and none was loaded */
export function currentModel(given?: ChatGLM): ChatGLM {
  const model = given ?? current;
  if (model) return model;
  throw new GlmError(
    "model-not-loaded",
    "No model is loaded in this notebook: run `%model tiny` first. A model that a cell has loaded itself is named with --model VAR or %model --use VAR.",
  );
}

export function sessionOf(model: ChatGLM): ModelSession {
  const known = sessions.get(model);
  if (known) return known;
  const session: ModelSession = { conversation: new Conversation(), adapter: null, adapters: [], books: new Map() };
  sessions.set(model, session);
  return session;
}

/** Names of the current model's adapters, without asking anybody. */
export function knownAdapters(): readonly string[] {
  return current ? sessionOf(current).adapters : [];
}

/** The keys in each of the current model's knowledge books, likewise. */
export function knownBooks(): ReadonlyMap<string, readonly string[]> {
  return current ? sessionOf(current).books : new Map();
}
