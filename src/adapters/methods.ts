/** @file Every fine-tuning method by name. The rest of the library only sees the Adapter interface. */

import { GlmError } from "../errors.ts";
import { adaLora, mustLast } from "./ada-lora.ts";
import type { Adapter, AdapterConfig, BaseModel, Method } from "./adapter.ts";
import { embeddings, freeze, full } from "./base-parameters.ts";
import { lora } from "./lora.ts";
import { pTuning } from "./p-tuning.ts";

type Methods = {
  readonly [M in Method]: (config: Extract<AdapterConfig, { method: M }>, base: BaseModel) => Adapter;
};

const methods: Methods = { lora, adaLora, pTuning, freeze, embeddings, full };

/**
 * Whether a run of so many steps is long enough for a method, as `Adapter.mustLast` says of one that is made.
 * @throws GlmError "option-invalid" when it is not
 */
export function mustLastFor(config: AdapterConfig, steps: number): void {
  if (config.method === "adaLora" && steps > 0) mustLast(config, steps);
}

/** Lays a configured method over a base model. */
export function createAdapter<C extends AdapterConfig>(config: C, base: BaseModel): Adapter {
  if (!Object.hasOwn(methods, config.method)) {
    throw new GlmError(
      "option-invalid",
      `method: expected one of ${Object.keys(methods).join(", ")}, got ${JSON.stringify(config.method)}. Make it with lora(), pTuning() and the like.`,
    );
  }
  const create = methods[config.method] as (config: C, base: BaseModel) => Adapter;
  return create(config, base);
}
