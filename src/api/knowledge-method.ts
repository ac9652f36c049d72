/** @file How a knowledge book is fine-tuned. */

import type { AdapterConfig, Method } from "../adapters/adapter.ts";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { ModuleSpec } from "../models/context.ts";
import * as defaults from "./defaults.ts";
import { configOf, differences, type GivenMethod, namedMethod } from "./methods.ts";

/** A method with its options; LoRA when none is named. */
export type BookMethod = GivenMethod;

interface InBooks<C> {
  /** What a book's options are that a call leaves out, where they are others than usual. */
  readonly defaults?: Readonly<Record<string, unknown>>;
  /** What gives the adapter more room; undefined where it has all there is. */
  readonly larger: (config: C) => string | undefined;
}

const lowRank = { defaults: { targets: defaults.knowledgeTargets }, larger: () => "an adapter of a higher rank (r)" };
const byName = "more of the model's parameters (match)";
const methods: { readonly [M in Method]: InBooks<Extract<AdapterConfig, { method: M }>> } = {
  lora: lowRank,
  adaLora: lowRank,
  pTuning: { larger: () => "a longer prefix (length)" },
  freeze: { larger: ({ match }) => (match === undefined ? "more of the model's layers (layers)" : byName) },
  embeddings: { larger: () => "another method, which trains more than the table" },
  full: { larger: ({ match }) => (match === undefined ? undefined : byName) },
};

/** How the adapter of a book could have more room, for whoever was not taught well. */
export function largerThan<C extends AdapterConfig>(config: C): string | undefined {
  const { larger } = methods[config.method] as InBooks<C>;
  return larger(config);
}

/**
 * The whole configuration: LoRA adapts every linear module unless the options say otherwise.
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export function bookConfig(method: BookMethod): AdapterConfig {
  const choice = namedMethod(method);
  return configOf({ ...methods[choice.method].defaults, ...choice });
}

/**
 * A book that exists keeps its method.
 * @throws GlmError "adapter-invalid" with every option that is given and differs
 */
export function mustMatchBook(
  name: string,
  method: BookMethod,
  config: AdapterConfig,
  modules: readonly ModuleSpec[],
): void {
  if (Object.values(method).every((value) => value === undefined)) return;
  const faults = differences(method, config, modules).map(
    ({ option, wanted, actual }) => `${option}: expected ${shownJson(actual)}, got ${shownJson(wanted)}`,
  );
  if (faults.length === 0) return;
  throw new GlmError(
    "adapter-invalid",
    `knowledge: the book ${name} exists and is made otherwise:${faultLines(faults)}\n` +
      "Leave these options out, or choose another name.",
  );
}
