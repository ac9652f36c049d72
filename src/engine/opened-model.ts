/** @file A checkpoint opened for use: checked, its weights mapped, ready to be bound into graphs. */
import { join } from "node:path";
import type { BaseModel } from "../adapters/adapter.ts";
import type { Capabilities } from "../backend/device.ts";
import { GlmError } from "../errors.ts";
import { toFloat32 } from "../float32.ts";
import { cacheFolder } from "../folders.ts";
import { architectureOf, modulesOf, parametersOf } from "../models/architectures.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import type { BindWeights } from "../models/context.ts";
import { rotaryFrequencies } from "../models/rotary.ts";
import type { OnProgress } from "../progress.ts";
import { checkWeights } from "../quantization/checked-weights.ts";
import { type FiledTensor, filedTensors, type Plan, plannedBytes } from "../quantization/plan.ts";
import { readParameter } from "../quantization/prepare.ts";
import { planFolder, preparedWeights, removeUnused } from "../quantization/prepared-cache.ts";
import { bindStore, type WeightStore } from "../quantization/weight-store.ts";
import type { FloatTensor } from "../tensor.ts";
import { type OptionalTokenizer, optionalTokenizer } from "../text/optional.ts";
import type { Tokenizer } from "../text/tokenizer.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { fingerprint } from "../weights/fingerprint.ts";
import { modelTensors } from "../weights/model-tensors.ts";
import { isPrefix, prefixRemedy } from "../weights/prefix.ts";
import { readTensor } from "../weights/safetensors.ts";
import type { StoredTensor } from "../weights/stored.ts";
import { baseModel } from "./base-model.ts";
import type { ChosenDevice } from "./chosen-device.ts";
import { type ConfigFile, readConfigFile } from "./config-file.ts";
import type { LoadParams, Precision } from "./engine.ts";
import { fittingPlan } from "./fitting-plan.ts";
import { type MemoryThere, memoryThere } from "./memory-fit.ts";
import { otherFolder } from "./other-folder.ts";
import { type ModelSource, sourceFolder } from "./source-folder.ts";

export interface OpenedModel {
  readonly folder: string;
  /** The same content held in the same form has the same key, wherever it lies. */
  readonly key: string;
  readonly config: ChatGLMConfig;
  readonly text: OptionalTokenizer;
  /** The checkpoint's tensors that make up the model: parameters, and scales where it is published quantised. */
  readonly stored: ReadonlyMap<string, StoredTensor>;
  /** The forms in which its parameters are held, and how a checkpoint in them has its tensors. */
  readonly plan: Plan;
  readonly precision: Precision;
  readonly weightStore: WeightStore;
  readonly tensors: readonly FiledTensor[];
  readonly base: BaseModel;
  /** Brings the base weights into a graph, mapped from their files. */
  readonly weights: BindWeights;
  readonly mappedBytes: number;
  /** What its user should know: that its family is a guess, that memory is tight. */
  readonly note?: string;
}

/** @throws GlmError "model-not-found", "model-invalid" or "unsupported", each with every fault; "out-of-memory"; "disk" */
export async function openModel(
  source: ModelSource & Pick<LoadParams, "family" | "quantize" | "precision">,
  { device: { can, packer }, memory = memoryThere }: ChosenDevice,
  onProgress: OnProgress,
  signal?: AbortSignal,
): Promise<OpenedModel> {
  const folder = await sourceFolder(source, onProgress, signal);
  const { config, text: settings, otherFamily, note: guess } = await readSettings(folder, source);
  const checkpoint = await openCheckpoint(folder);
  const [parameters, modules] = [parametersOf(config), modulesOf(config)];
  const bits = config.quantization;
  const frequencies = config.layout === "chatglm6b" ? rotaryFrequencies(config) : undefined;
  const stored = await modelTensors(checkpoint, { parameters, modules, bits, frequencies });
  // Before the weights are prepared, which may take minutes.
  const text = await optionalTokenizer(folder, config.family);
  // Without a choice, whoever wrote the files says what it is; its text may not even be asked for.
  if (source.family !== undefined && text.found) mustHoldSpecialTokens(folder, config, text.found);
  const { embedding, head } = architectureOf(config);
  const given = { parameters, modules, embedding, head, stored, bits };
  const { plan, precision, remark } = fittingPlan(given, source, config, can, roomFor(can, memory()));
  if (remark) onProgress(remark, 0, 1);
  const prefix = [...checkpoint.tensors.keys()].some(isPrefix)
    ? "The files carry a prefix that was trained with P-tuning v2, and the model answers without it. To lay it over, as an adapter " +
      `that is used by its name: ${prefixRemedy(folder)}.`
    : undefined;
  const note = [guess, remark, prefix].filter((one) => one !== undefined).join("\n");
  const tensors = filedTensors(given, plan.bits);
  const identity = await fingerprint(checkpoint, settings);
  const [cache, checked] = ["weights", "checked"].map((name) => join(cacheFolder(), name)) as [string, string];
  await checkWeights(plan, join(checked, identity), onProgress, signal);
  const place = await planFolder(join(cache, identity), plan, packer);
  const weightStore = await preparedWeights(plan, place, packer, onProgress, signal);
  for (const root of [cache, checked]) await removeUnused(root);
  const version = plan.version > 1 ? `-v${plan.version}` : "";
  // Adapters belong to floats in whatever precision.
  const form = plan.bits ? `${identity}-${plan.name}${version}` : identity;
  return {
    folder,
    key: otherFamily ? `${form}-${config.family}` : form,
    config,
    text,
    stored,
    plan,
    precision,
    weightStore,
    tensors,
    base: baseModel(config, {
      tensors,
      bits: plan.bits,
      // In float16 they may be rounded, where the checkpoint has them as they are.
      read: (parameter) =>
        plan.name === "float16" ? readStoredFloats(stored, parameter) : readParameter(weightStore, parameter),
    }),
    weights: bindStore(weightStore),
    mappedBytes: plannedBytes(plan),
    ...(note ? { note } : {}),
  };
}

/** @throws GlmError "model-invalid" where prompts would have tokens that the model has not: it is of another family */
function mustHoldSpecialTokens(folder: string, { family, vocabulary }: ChatGLMConfig, { specialIds }: Tokenizer): void {
  const beyond = Object.entries(specialIds).find(([, id]) => id >= vocabulary);
  if (!beyond) return;
  const [name, id] = beyond;
  throw new GlmError(
    "model-invalid",
    `${folder}: expected a ${family}, whose prompts have the token ${name} (${id}), got a model of ${vocabulary} tokens. ` +
      "Leave the family out (--family, --mode), or name the right one.",
  );
}

/** What others have of a GPU's memory may be given back while the model is prepared: whether it fits then is seen then. */
const roomFor = ({ ownMemory }: Capabilities, there: MemoryThere): MemoryThere =>
  ownMemory ? { ...there, available: there.total } : there;

async function readSettings(folder: string, source: Parameters<typeof readConfigFile>[1]): Promise<ConfigFile> {
  try {
    return await readConfigFile(folder, source);
  } catch (error) {
    throw await otherFolder(folder, error);
  }
}

async function readStoredFloats(stored: ReadonlyMap<string, StoredTensor>, name: string): Promise<FloatTensor> {
  const tensor = stored.get(name);
  if (!tensor) throw new GlmError("model-invalid", `the model has no parameter ${name}.`);
  return toFloat32(await readTensor(tensor));
}
