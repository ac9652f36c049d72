/** @file A model as adapters meet it, from its configuration and how its weights are held. */
import type { BaseModel } from "../adapters/adapter.ts";
import { modulesOf, parametersOf } from "../models/architectures.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { ModuleSpec } from "../models/context.ts";
import type { FiledTensor } from "../quantization/plan.ts";
import { sizeOf } from "../tensor.ts";
import type { PublishedBits } from "../weights/model-tensors.ts";

interface HeldWeights extends Pick<BaseModel, "read"> {
  /** The model's tensors as a checkpoint in the form in which they are held has them. */
  readonly tensors: readonly FiledTensor[];
  /** Bits of the linear modules' weights, where these are quantised. */
  readonly bits: PublishedBits | undefined;
}

export function baseModel(config: ChatGLMConfig, { tensors, bits, read }: HeldWeights): BaseModel {
  const modules = modulesOf(config);
  return {
    parameters: parametersOf(config),
    modules,
    config,
    read,
    ...(bits ? { count: elements(tensors), frozen: ofModules(modules) } : {}),
  };
}

const elements = (tensors: readonly FiledTensor[]): number =>
  tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);

/**
 * What belongs to modules whose weights are in fewer bits. Source: the published QuantizedLinear, which gives neither its weight nor its bias a
 * gradient; PEFT gives one to biases that its configuration names, whatever they belong to.
 */
const ofModules = (modules: readonly ModuleSpec[]): ReadonlySet<string> =>
  new Set(modules.flatMap(({ name }) => [`${name}.weight`, `${name}.bias`]));
