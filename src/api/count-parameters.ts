/** @file `countParameters`: what a method would train of a model, from the model's config.json alone. */
import { resolve } from "node:path";
import type { AdapterConfig } from "../adapters/adapter.ts";
import { configFault, isAdapterConfig } from "../adapters/config-schema.ts";
import { parameterCounts } from "../adapters/counts.ts";
import { createAdapter } from "../adapters/methods.ts";
import { type DescribedModel, describedConfig, describedModel } from "../engine/described-model.ts";
import type { LoadParams, ParameterInfo } from "../engine/engine.ts";
import { GlmError } from "../errors.ts";
import type { ChatGLMConfig, Family } from "../models/config.ts";
import { complete, invalid } from "../options.ts";
import { isFile } from "../regular-file.ts";
import { sizeOf } from "../tensor.ts";
import * as defaults from "./defaults.ts";
import { familyFaults } from "./load.ts";
import { type SourceOptions, sourceOf } from "./source.ts";
import { TrainableSummary } from "./summary.ts";

export interface CountOptions extends SourceOptions {
  /** Which generation it is, where its configuration leaves that open; see `load`. */
  readonly family?: Family | undefined;
  /** As `load` would hold the model. */
  readonly quantize?: LoadParams["quantize"] | undefined;
}

export interface CountedParameters {
  /** Prints itself as PEFT's line. */
  readonly summary: TrainableSummary;
  /** The model's tensors, as a checkpoint of it has them: packed ones with their scales. */
  readonly base: readonly ParameterInfo[];
  /** What the method trains, in float32: tensors of its own, or those of the base that have the same names. */
  readonly adapter: readonly ParameterInfo[];
  readonly config: ChatGLMConfig;
  /** What its user should know of how the method was understood. */
  readonly note?: string;
}

/**
 * Counts what a method would train. Weights are neither needed nor fetched.
 * @param model "tiny", a folder with a config.json, the path of such a file, a model's id on a hub (of which config.json
 * alone is fetched, when it is not in the hub's cache), or the content of a config.json
 * @param method what `lora()` and the others make
 * @throws GlmError "model-not-found", "model-invalid", "unsupported", "option-invalid", "adapter-invalid", "hub-unreachable",
 * "hub-denied", "download-corrupt", "disk"
 */
export async function countParameters(
  model: string | Readonly<Record<string, unknown>>,
  method: AdapterConfig,
  options: CountOptions = {},
): Promise<CountedParameters> {
  const { hub, revision, family } = options ?? {};
  const { quantize } = defaults.load;
  const how = complete("countParameters", { quantize }, options, ["hub", "revision", "family"], familyFaults(family));
  if (!isAdapterConfig(method)) {
    throw invalid("countParameters", [`method: expected what lora() and the like make: ${configFault(method)}`]);
  }
  const described = await describe(model, { hub, revision }, { ...how, ...(family === undefined ? {} : { family }) });
  const { base, tensors, config } = described;
  const adapter = createAdapter(method, base);
  const ofBase = tensors.map((one): ParameterInfo => ({ ...one, trainable: false, count: sizeOf(one.shape) }));
  const ofAdapter = adapter.parameters.map(({ name, shape }): ParameterInfo => {
    return { name, shape, dtype: "float32", trainable: true, count: sizeOf(shape) };
  });
  return {
    summary: new TrainableSummary(parameterCounts(adapter, base)),
    base: ofBase,
    adapter: ofAdapter,
    config,
    ...(adapter.note === undefined ? {} : { note: adapter.note }),
  };
}

async function describe(
  model: string | Readonly<Record<string, unknown>>,
  where: SourceOptions,
  how: Parameters<typeof describedModel>[1],
): Promise<DescribedModel> {
  if (typeof model === "object" && model !== null) return describedConfig(model, how);
  const isPath = typeof model === "string" && /\.json$/i.test(model) && where.hub === undefined;
  if (!isPath) return describedModel(await sourceOf(model, where, "none"), how);
  const file = resolve(model);
  if (await isFile(file)) return describedModel({ name: file }, how);
  throw new GlmError("model-not-found", `model ${model}: there is no file ${file}. Check the path.`);
}
