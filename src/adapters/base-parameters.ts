/** @file Training base parameters themselves: all of them, those of some layers or names, or the embedding table. */
import { GlmError } from "../errors.ts";
import { architectureOf } from "../models/architectures.ts";
import { overridden, type ParameterSpec } from "../models/context.ts";
import { copied, copiedAll, type FloatTensor } from "../tensor.ts";
import type { Adapter, AdapterConfig, BaseModel, EmbeddingsConfig, FreezeConfig, FullConfig } from "./adapter.ts";

/** @throws GlmError "adapter-invalid" when `match` fits no parameter, or only such that cannot train */
export const full = (config: FullConfig, base: BaseModel): Adapter =>
  trained(config, base, matching(base, config.match));

/** @throws GlmError "adapter-invalid" when the model has fewer layers, and as `full` */
export function freeze(config: FreezeConfig, base: BaseModel): Adapter {
  const { layers, match } = config;
  if ((layers === undefined) === (match === undefined)) {
    const got = layers === undefined ? "neither" : "both";
    throw new GlmError("adapter-invalid", `freeze: expected layers, or match, got ${got}. Give one of them.`);
  }
  if (layers === undefined) return trained(config, base, matching(base, match));
  const all = base.config.layers;
  if (!Number.isInteger(layers) || layers < 1 || layers > all) {
    throw new GlmError(
      "adapter-invalid",
      `freeze: layers: expected a whole number from 1 to ${all}, the model's, got ${layers}.`,
    );
  }
  const last = Array.from({ length: layers }, (_, i) => `layers.${all - layers + i}.`);
  return trained(config, base, matching(base, last));
}

/** The table that makes tokens vectors; where it is the output layer, too, both train. */
export function embeddings(config: EmbeddingsConfig, base: BaseModel): Adapter {
  return trained(config, base, matching(base, [`${architectureOf(base.config).embedding}.weight`]));
}

interface Chosen {
  readonly parameters: readonly ParameterSpec[];
  /** What they were chosen by. */
  readonly by: string;
  readonly note?: string;
}

function matching({ parameters }: BaseModel, parts: readonly string[] | undefined): Chosen {
  const idle = (parts ?? []).filter((part) => !parameters.some(({ name }) => name.includes(part)));
  const notes = [
    ...(idle.length === 0 ? [] : [`No parameter's name contains ${idle.join(" or ")}: passed over.`]),
    ...(parts ?? []).flatMap((part) => severalLayers(part, parameters) ?? []),
  ];
  return {
    parameters: parameters.filter(({ name }) => !parts || parts.some((part) => name.includes(part))),
    by: parts?.join(" or ") || "what is given, which is nothing",
    ...(notes.length === 0 ? {} : { note: notes.join("\n") }),
  };
}

/** What to say of a part that ends in a layer's number, and in the beginning of other layers' numbers. */
function severalLayers(part: string, parameters: readonly ParameterSpec[]): string | undefined {
  if (!/(^|\.)\d+$/.test(part)) return undefined;
  const layers = parameters.flatMap(({ name }) => {
    const number = name.includes(part) ? /\.layers\.(\d+)\./.exec(name)?.[1] : undefined;
    return number === undefined ? [] : [number];
  });
  const several = [...new Set(layers)];
  if (several.length < 2) return undefined;
  const alone = /\d+$/.exec(part)?.[0];
  return (
    `${part} is in the names of layers ${several.slice(0, -1).join(", ")} and ${several.at(-1)}, which all train. ` +
    `For layer ${alone} alone, write layers.${alone}. with a dot at the end.`
  );
}

function trained(config: AdapterConfig, base: BaseModel, { parameters: chosen, by, note }: Chosen): Adapter {
  const parameters = chosen.filter(({ name }) => !base.frozen?.has(name));
  if (chosen.length === 0) {
    const [first, last] = [base.parameters[0]?.name, base.parameters.at(-1)?.name];
    throw new GlmError(
      "adapter-invalid",
      `${config.method}: match: no parameter's name contains ${by}: nothing would be trained. There are ${first}, ..., ${last}; %params none --all lists them.`,
    );
  }
  if (parameters.length === 0) {
    throw new GlmError(
      "adapter-invalid",
      `${chosen.length} parameters' names contain ${by}, but all belong to linear modules that are held in ` +
        "fewer bits, which the published code freezes with their biases. Choose others, train a LoRA (with bias, if biases shall train), " +
        "or load the model unquantised.",
    );
  }
  return {
    config,
    parameters,
    ...(note === undefined ? {} : { note }),
    async initialize() {
      const values = await Promise.all(
        parameters.map(async ({ name }) => [name, copied(await base.read(name))] as const),
      );
      return Object.fromEntries(values);
    },
    applyToTraining: (context, inputs) => ({ context: overridden(context, inputs) }),
    // Copies: an answer that is under way goes on with them while training changes the tensors.
    forInference: (tensors) => ({ overrides: new Map(Object.entries(copiedAll(tensors))) }),
    mergeTargets: new Set(parameters.map(({ name }) => name)),
    merge: (tensors, name) => copied(tensors[name] as FloatTensor),
  };
}
