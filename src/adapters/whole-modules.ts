/** @file Modules that train whole beside low-rank updates: PEFT's `modules_to_save`, found by the endings of their names as there. */
import { GlmError } from "../errors.ts";
import { tablesOf } from "../models/architectures.ts";
import type { ParameterSpec } from "../models/context.ts";
import type { BaseModel } from "./adapter.ts";
import { listed } from "./targets.ts";

export interface WholeParameter extends ParameterSpec {
  /** The base parameter whose place it takes; `name` is PEFT's. */
  readonly base: string;
}

export interface WholeModules {
  readonly parameters: readonly WholeParameter[];
  /** Whether a module is one of them, or lies within one. */
  has(module: string): boolean;
  readonly note?: string;
}

/**
 * @param names endings of modules' names; a module that has others inside stands for all of them
 * @throws GlmError "adapter-invalid" when no module has such a name, or one is held in fewer bits; "unsupported" for a table that is
 * the embedding and the output layer in one
 */
export function wholeModules(names: readonly string[], base: BaseModel): WholeModules {
  const found = new Set<string>();
  const isWhole = (module: string): boolean => {
    // The module itself, and those that it lies in.
    const parts = module.split(".");
    const places = parts.map((_, i) => parts.slice(0, parts.length - i).join("."));
    const hits = names.filter((name) => places.some((place) => place.endsWith(name)));
    for (const name of hits) found.add(name);
    return hits.length > 0;
  };
  const parameters = base.parameters.filter(({ name }) => isWhole(name.slice(0, name.lastIndexOf("."))));
  mustBeApart(base, isWhole);
  const lost = names.filter((name) => !found.has(name));
  if (names.length > 0 && parameters.length === 0) {
    throw new GlmError(
      "adapter-invalid",
      `LoRA: modulesToSave: no module's name ends in ${listed(lost)}. The model has ${modulesIn(base)}.`,
    );
  }
  const frozen = parameters.filter(({ name }) => base.frozen?.has(name));
  if (frozen.length > 0) {
    throw new GlmError(
      "adapter-invalid",
      `LoRA: modulesToSave: ${listed(frozen.map(({ name }) => name))} is held in fewer bits and cannot train. ` +
        "Choose others, target them, or load the model unquantised.",
    );
  }
  return {
    parameters: parameters.map(({ name, shape }) => ({ base: name, name: `base_model.model.${name}`, shape })),
    has: isWhole,
    ...(lost.length > 0 ? { note: `This model has no module ${listed(lost)} to train whole: it is passed over.` } : {}),
  };
}

/** PEFT trains a copy of one of both, which no checkpoint of such a model holds. */
function mustBeApart({ config }: BaseModel, isWhole: (module: string) => boolean): void {
  const tables = tablesOf(config);
  const tied = tables.find(({ sharesWith }) => sharesWith !== undefined);
  if (!tied || !tables.some(({ name }) => isWhole(name))) return;
  throw new GlmError(
    "unsupported",
    `LoRA: modulesToSave: ${tied.name} and ${tied.sharesWith} are one table in this model, which cannot train as one of both only. ` +
      'Target it instead, or train both with the method "embeddings".',
  );
}

const modulesIn = ({ parameters }: BaseModel): string =>
  [...new Set(parameters.map(({ name }) => name.split(".").at(-2)))].join(", ");
