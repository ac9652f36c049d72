/** @file What a loaded model is as a checkpoint: its tensors, and what its config.json must say of them. */
import { type MergedAdapter, mergedNames, mergedParameter } from "../adapters/merging.ts";
import { GlmError } from "../errors.ts";
import { toFloat16 } from "../float16.ts";
import { type FloatTensor, tensor } from "../tensor.ts";
import { scaleName } from "../weights/model-tensors.ts";
import { readTensor, type TensorSource } from "../weights/safetensors.ts";
import type { StoredTensor } from "../weights/stored.ts";
import type { OpenedModel } from "./opened-model.ts";

export interface SavedModel {
  readonly tensors: readonly TensorSource[];
  /** Fields of config.json that change; undefined ones go. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/**
 * The tensors as a checkpoint has them: as they were, quantised in the published format where the model is quantised,
 * with the adapter's changes. Where an adapter changes packed weights, all of them become float16: dequantised, as the
 * adapter was trained on them. To quantise them again would lose a part of what it learned.
 * @throws GlmError "unsupported" when the form has no published format
 */
export function savedModel(model: OpenedModel, merged: readonly MergedAdapter[]): SavedModel {
  const { base, plan, stored, config } = model;
  const targets = mergedNames(merged);
  const packed = new Set(plan.bits ? base.modules.map(({ name }) => `${name}.weight`) : []);
  const unpacks = [...targets].some((name) => packed.has(name));
  const value = async (name: string): Promise<FloatTensor> => {
    const values = await base.read(name);
    return targets.has(name) ? mergedParameter(merged, name, values) : values;
  };
  const tensors = base.parameters.flatMap(({ name, shape }): TensorSource[] => {
    if (packed.has(name)) {
      if (!unpacks) return publishedSources(model, name);
      return [{ name, shape, dtype: "float16", read: async () => toFloat16(await value(name)) }];
    }
    if (targets.has(name)) return [{ name, shape, dtype: "float32", read: () => value(name) }];
    return [asStored(stored, name)];
  });
  const quantization = { quantization_bit: unpacks ? undefined : plan.bits, torch_dtype: "float16" };
  return { tensors, settings: { glmlab_family: config.family, ...(plan.bits ? quantization : {}) } };
}

/** Codes and scales of a packed weight: those of the checkpoint, else those that the published scheme makes of its floats. */
function publishedSources({ stored, weightStore, plan, config }: OpenedModel, name: string): TensorSource[] {
  if (stored.has(scaleName(name))) return [asStored(stored, name), asStored(stored, scaleName(name))];
  const [held, planned] = [weightStore.matrices.get(name), plan.matrices.get(name)];
  if (!held || !planned || !plan.bits) throw new Error(`${name} is not held in fewer bits`);
  if (config.layout === "transformers") {
    throw new GlmError(
      "unsupported",
      `this model cannot be saved in int${plan.bits}: transformers' layout has no published quantisation. ` +
        "Use a checkpoint in THUDM's own layout, or the original.",
    );
  }
  const { in: width, out, form, prepared } = held;
  const shape = [out, (width * plan.bits) / 8];
  const published = form.published(planned.matrix, prepared);
  return [
    { name, shape, dtype: "int8", read: async () => tensor("int8", shape, await published.codes()) },
    {
      name: scaleName(name),
      shape: [out],
      dtype: "float16",
      read: async () => toFloat16(tensor("float32", [out], await published.scales())),
    },
  ];
}

function asStored(stored: ReadonlyMap<string, StoredTensor>, name: string): TensorSource {
  const found = stored.get(name);
  if (!found) throw new Error(`the checkpoint was checked, but has no ${name}`);
  return { ...found, read: () => readTensor(found) };
}
