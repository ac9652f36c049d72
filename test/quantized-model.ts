/** @file A small checkpoint with its weights in any form, prepared in a folder of the test's own. */
import type { BaseModel } from "../src/adapters/adapter.ts";
import { cpu } from "../src/backend/cpu.ts";
import { architectureOf, modulesOf, parametersOf } from "../src/models/architectures.ts";
import type { ChatGLMConfig } from "../src/models/config.ts";
import type { BindWeights } from "../src/models/context.ts";
import { type CheckpointContent, type Plan, planWeights, type Wanted } from "../src/quantization/plan.ts";
import { readParameter } from "../src/quantization/prepare.ts";
import { planFolder, preparedWeights } from "../src/quantization/prepared-cache.ts";
import { bindStore, type WeightStore } from "../src/quantization/weight-store.ts";
import { openCheckpoint } from "../src/weights/checkpoint.ts";
import { modelTensors } from "../src/weights/model-tensors.ts";

export interface HeldModel {
  readonly given: CheckpointContent;
  readonly plan: Plan;
  readonly folder: string;
  readonly weightStore: WeightStore;
  readonly weights: BindWeights;
  readonly base: BaseModel;
}

export async function givenBy(folder: string, config: ChatGLMConfig): Promise<CheckpointContent> {
  const [parameters, modules, bits] = [parametersOf(config), modulesOf(config), config.quantization];
  const stored = await modelTensors(await openCheckpoint(folder), { parameters, modules, bits });
  const { embedding, head } = architectureOf(config);
  return { parameters, modules, embedding, head, stored, bits };
}

/** @param cache where prepared files go */
export async function heldModel(
  checkpoint: string,
  config: ChatGLMConfig,
  wanted: Wanted,
  cache: string,
  onProgress: (stage: string, done: number, total: number) => void = () => undefined,
): Promise<HeldModel> {
  const given = await givenBy(checkpoint, config);
  const plan = planWeights("the model", given, wanted, cpu.can);
  const folder = await planFolder(cache, plan, cpu.packer);
  const weightStore = await preparedWeights(plan, folder, cpu.packer, onProgress);
  const { parameters, modules } = given;
  const base: BaseModel = { parameters, modules, config, read: (name) => readParameter(weightStore, name) };
  return { given, plan, folder, weightStore, weights: bindStore(weightStore), base };
}
