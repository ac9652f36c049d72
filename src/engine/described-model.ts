/** @file A model as its config.json describes it: its tensors without their numbers. Weights are neither needed nor looked at. */
import { join } from "node:path";
import type { BaseModel } from "../adapters/adapter.ts";
import { GlmError } from "../errors.ts";
import { modelFolder } from "../hub/model-folder.ts";
import { requestedConfig } from "../hub/request.ts";
import { modulesOf, parametersOf } from "../models/architectures.ts";
import { type ChatGLMConfig, readConfig } from "../models/config.ts";
import type { Json } from "../models/fields.ts";
import { type FiledTensor, filedTensors } from "../quantization/plan.ts";
import { isFile } from "../regular-file.ts";
import type { DType } from "../tensor.ts";
import type { PublishedBits } from "../weights/model-tensors.ts";
import { baseModel } from "./base-model.ts";
import { readConfigAt } from "./config-file.ts";
import type { LoadParams } from "./engine.ts";
import { otherFolder } from "./other-folder.ts";
import type { ModelSource } from "./source-folder.ts";

export interface DescribedModel {
  readonly config: ChatGLMConfig;
  /** As a checkpoint of the model has them: quantised ones are packed, with their scales. */
  readonly tensors: readonly FiledTensor[];
  /** Its numbers cannot be read. */
  readonly base: BaseModel;
}

type How = Partial<Pick<LoadParams, "family" | "quantize">>;

/**
 * Describes the model of a folder, of a hub's id, or of the file of a configuration. From a hub, config.json alone is fetched.
 * @param source the path of a folder or of a file that ends in .json, or a model's id with its hub
 * @throws GlmError as loading does of config.json and of hubs; "option-invalid" when it is published in other bits than asked
 */
export async function describedModel(source: ModelSource, how: How = {}): Promise<DescribedModel> {
  const file = await configPath(source);
  const asked = { name: source.name, family: how.family };
  const { config, text } = await readConfigAt(file, asked).catch(async (error: unknown) => {
    throw await otherFolder(join(file, ".."), error);
  });
  return described(config, JSON.parse(text) as Json, source.name, how);
}

/**
 * The same of the content of a config.json.
 * @throws GlmError as `describedModel`
 */
export function describedConfig(json: Json, how: How = {}): DescribedModel {
  const subject = "config.json";
  return described(readConfig(json, subject, { family: how.family }), json, subject, how);
}

async function configPath({ name, hub }: ModelSource): Promise<string> {
  if (hub) return join(await requestedConfig(name, hub), "config.json");
  if (/\.json$/i.test(name) && (await isFile(name))) return name;
  return join((await modelFolder(name)) ?? name, "config.json");
}

function described(config: ChatGLMConfig, json: Json, subject: string, { quantize = "none" }: How): DescribedModel {
  const [parameters, modules] = [parametersOf(config), modulesOf(config)];
  const dtype = dtypeOf(json);
  const stored = new Map(parameters.map(({ name }) => [name, { dtype }]));
  const bits = bitsOf(config, quantize, subject);
  const tensors = filedTensors({ parameters, modules, stored }, bits);
  const read = (name: string): never => {
    throw new Error(`${name} was asked for, of a model that has no weights`);
  };
  return { config, tensors, base: baseModel(config, { tensors, bits, read }) };
}

/** The type of a checkpoint's floats, by either name that transformers gives the setting. */
function dtypeOf({ dtype, torch_dtype: older }: Json): DType {
  const said = [dtype, older].find((one) => one === "float16" || one === "bfloat16");
  return said === undefined ? "float32" : (said as DType);
}

function bitsOf(
  { quantization: published }: ChatGLMConfig,
  quantize: LoadParams["quantize"],
  subject: string,
): PublishedBits | undefined {
  const asked = quantize === "none" ? undefined : quantize === "int8" ? 8 : 4;
  if (published === undefined || asked === undefined || asked === published) return published ?? asked;
  throw new GlmError(
    "option-invalid",
    `${subject}: quantize: the model is published in int${published}, and cannot be made int${asked}. Leave quantize out.`,
  );
}
