/** @file Training base parameters themselves: all of them, or those whose name contains one of `match`. */
import { GlmError } from "../errors.ts";
import { overridden } from "../models/context.ts";
import { copied, type FloatTensor } from "../tensor.ts";
import type { Adapter, BaseModel, FullConfig } from "./adapter.ts";

/** @throws GlmError "adapter-invalid" when `match` fits no parameter, or only such that cannot train */
export function full(config: FullConfig, base: BaseModel): Adapter {
  const { match } = config;
  const matching = base.parameters.filter(({ name }) => !match || match.some((part) => name.includes(part)));
  const parameters = matching.filter(({ name }) => !base.frozen?.has(name));
  if (parameters.length === 0 && matching.length > 0) {
    throw new GlmError(
      "adapter-invalid",
      `${matching.length} parameters' names contain ${match?.join(" or ")}, but all belong to linear modules that are held in ` +
        "fewer bits and cannot train. Choose others, train a LoRA, or load the model unquantised.",
    );
  }
  if (parameters.length === 0) {
    throw new GlmError(
      "adapter-invalid",
      `no parameter's name contains ${match?.join(" or ")}: nothing would be trained.`,
    );
  }
  return {
    config,
    parameters,
    async initialize() {
      const values = await Promise.all(
        parameters.map(async ({ name }) => [name, copied(await base.read(name))] as const),
      );
      return Object.fromEntries(values);
    },
    applyToTraining: (context, inputs) => ({ context: overridden(context, inputs) }),
    forInference: (tensors) => ({ overrides: new Map(Object.entries(tensors)) }),
    mergeTargets: new Set(parameters.map(({ name }) => name)),
    merge: (tensors, name) => copied(tensors[name] as FloatTensor),
  };
}
