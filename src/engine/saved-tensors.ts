/** @file What a loaded model is as a checkpoint: its tensors, and what its config.json must say of them. */
import { type MergedAdapter, mergedNames, mergedParameter } from "../adapters/merging.ts";
import { GlmError } from "../errors.ts";
import { toFloat16 } from "../float16.ts";
import { toFloat32 } from "../float32.ts";
import { DeviationSum } from "../quantization/deviation.ts";
import type { PublishedMatrix } from "../quantization/form.ts";
import { type Bits, dequantizeRows, packPublished, quantizeRows, unpackPublished } from "../quantization/quantize.ts";
import { type FloatTensor, tensor } from "../tensor.ts";
import { scaleName } from "../weights/model-tensors.ts";
import { readTensor, type TensorSource } from "../weights/safetensors.ts";
import type { StoredTensor } from "../weights/stored.ts";
import type { MergedForm, SaveReport } from "./engine.ts";
import type { OpenedModel } from "./opened-model.ts";

export interface SavedModel {
  readonly tensors: readonly TensorSource[];
  /** Fields of config.json that change; undefined ones go. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** What saving changed, once all tensors were read. */
  report(): SaveReport;
}

/**
 * The tensors as a checkpoint has them: as they were, quantised in the published format where the model is quantised,
 * with the adapters' changes.
 * @param given what becomes of packed weights: all of them in float16, dequantised, as adapters were trained on them; or in the published
 * format, for which those that change, and those that were quantised to int4 here, are quantised again. When left out, float16 where
 * something is merged and would else be rounded
 * @throws GlmError "unsupported" when the form has no published format, or is refused
 */
export function savedModel(model: OpenedModel, merged: readonly MergedAdapter[], given?: MergedForm): SavedModel {
  const { base, plan, stored, config } = model;
  const targets = mergedNames(merged);
  const packed = new Set(plan.bits ? base.modules.map(({ name }) => `${name}.weight`) : []);
  // int4 that was made here has a scale for each group of a row, the published one for each row.
  const isRegrouped = (name: string): boolean => plan.bits === 4 && !stored.has(scaleName(name));
  const rounded = [...packed].filter((name) => targets.has(name) || isRegrouped(name));
  const form = given ?? (merged.length > 0 ? "dequantize" : "requantize");
  if (rounded.length > 0 && form === "refuse") throw refused(rounded.length, plan.bits);
  const unpacks = packed.size > 0 && form === "dequantize" && (given !== undefined || rounded.length > 0);
  const value: ReadValue = async (name) => {
    const before = await base.read(name);
    if (!targets.has(name)) return { meant: before };
    return { meant: mergedParameter(merged, name, before), before };
  };
  const deviation = new DeviationSum();
  const tensors = base.parameters.flatMap(({ name, shape }): TensorSource[] => {
    if (packed.has(name)) {
      if (unpacks) return [{ name, shape, dtype: "float16", read: () => halved(name, value, deviation) }];
      return packedSources(model, name, value, targets.has(name), deviation);
    }
    if (targets.has(name)) return [{ name, shape, dtype: "float32", read: async () => (await value(name)).meant }];
    return [asStored(stored, name)];
  });
  const quantization = { quantization_bit: unpacks ? undefined : plan.bits, torch_dtype: "float16" };
  return {
    tensors,
    settings: { glmlab_family: config.family, ...(plan.bits ? quantization : {}) },
    report() {
      const { total } = deviation;
      const written = unpacks ? "float16" : (`int${plan.bits as Bits}` as const);
      return total.matrices === 0 ? {} : { rewritten: { form: written, ...total } };
    },
  };
}

/** What a parameter is to be, and what it was where that is another. */
type ReadValue = (name: string) => Promise<{ readonly meant: FloatTensor; readonly before?: FloatTensor }>;

async function halved(name: string, value: ReadValue, deviation: DeviationSum) {
  const { meant, before } = await value(name);
  const written = toFloat16(meant);
  deviation.add(name, meant.data, toFloat32(written).data, before?.data);
  return written;
}

/**
 * Codes and scales of a packed weight: those of the checkpoint, else those that the published scheme makes of its floats, or of
 * what adapters made of them.
 */
function packedSources(
  model: OpenedModel,
  name: string,
  value: ReadValue,
  isChanged: boolean,
  deviation: DeviationSum,
): TensorSource[] {
  const { stored, weightStore, plan, config } = model;
  if (!isChanged && stored.has(scaleName(name))) return [asStored(stored, name), asStored(stored, scaleName(name))];
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
  const { bits } = plan;
  const shape = [out, (width * bits) / 8];
  const made = isChanged
    ? requantized(async () => (await value(name)).meant, width, bits)
    : form.published(planned.matrix, prepared);
  return [
    {
      ...{ name, shape, dtype: "int8" },
      async read() {
        const [codes, scales] = [await made.codes(), await made.scales()];
        const written = dequantizeRows({ codes: bits === 4 ? unpackPublished(codes) : codes, scales });
        const { meant, before } = await value(name);
        // What is not changed is told of where groups of it had scales of their own.
        const isTold = before !== undefined || written.some((number, i) => number !== meant.data[i]);
        if (isTold) deviation.add(name, meant.data, written, before?.data);
        return tensor("int8", shape, codes);
      },
    },
    {
      name: scaleName(name),
      shape: [out],
      dtype: "float16",
      read: async () => toFloat16(tensor("float32", [out], await made.scales())),
    },
  ];
}

/** A matrix of floats in the published scheme, quantised once. */
function requantized(read: () => Promise<FloatTensor>, width: number, bits: Bits): PublishedMatrix {
  let scales: Float32Array | undefined;
  const quantized = async () => {
    const made = quantizeRows((await read()).data, width, bits);
    scales = made.scales;
    return made;
  };
  return {
    async codes() {
      const { codes } = await quantized();
      return bits === 4 ? packPublished(codes) : codes;
    },
    scales: async () => scales ?? (await quantized()).scales,
  };
}

function asStored(stored: ReadonlyMap<string, StoredTensor>, name: string): TensorSource {
  const found = stored.get(name);
  if (!found) throw new Error(`the checkpoint was checked, but has no ${name}`);
  return { ...found, read: () => readTensor(found) };
}

const refused = (matrices: number, bits: Bits | undefined): GlmError =>
  new GlmError(
    "unsupported",
    `save: ${matrices} matrices that are held in int${bits} would be written with other numbers, and quantized is "refuse". ` +
      'Write all in float16 with quantized: "dequantize", or in the published form with "requantize", which loses a part of what was learnt and says how much.',
  );
