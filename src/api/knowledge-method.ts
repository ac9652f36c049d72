/** @file How a knowledge book is fine-tuned. */

import type { AdapterConfig } from "../adapters/adapter.ts";
import { shownJson } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import type { ModuleSpec } from "../models/context.ts";
import * as defaults from "./defaults.ts";
import { configOf, differences, type FullOptions, type LoraOptions, type MethodChoice } from "./methods.ts";

/** A method with its options; LoRA when none is named. */
export type BookMethod =
  | (LoraOptions & { readonly method?: "lora" | undefined })
  | (FullOptions & { readonly method: "full" })
  | Exclude<MethodChoice, { readonly method: "lora" | "full" }>;

/**
 * The whole configuration: LoRA adapts every linear module unless the options say otherwise.
 * @throws GlmError "option-invalid" that names every option which is unknown or out of bounds
 */
export function bookConfig(method: BookMethod): AdapterConfig {
  const choice = named(method);
  const isLowRank = choice.method === "lora" || choice.method === "adaLora";
  return isLowRank ? configOf({ targets: defaults.knowledgeTargets, ...choice }) : configOf(choice);
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
  const faults = differences(named(method), config, modules).map(
    ({ option, wanted, actual }) => `${option}: expected ${shownJson(actual)}, got ${shownJson(wanted)}`,
  );
  if (faults.length === 0) return;
  throw new GlmError(
    "adapter-invalid",
    `knowledge: the book ${name} exists and is made otherwise:${faultLines(faults)}\n` +
      "Leave these options out, or choose another name.",
  );
}

function named(method: BookMethod): MethodChoice {
  switch (method.method) {
    case undefined:
    case "lora":
      return { ...method, method: "lora" };
    default:
      return method;
  }
}
