/**
 * @file PEFT's files for prefix tuning (PREFIX_TUNING): the same keys and values as P-tuning v2's, in the same order. Where a model is
 * in transformers' layout, PEFT's virtual tokens take the first positions of the row, and ours take none.
 */
import type { FileToWrite } from "../files.ts";
import type { ChatGLMConfig } from "../models/config.ts";
import { rotaryFrequencies } from "../models/rotary.ts";
import { type FloatTensor, tensor } from "../tensor.ts";
import type { AdapterTensors, PTuningConfig } from "./adapter.ts";
import { adapterFiles } from "./adapter-files.ts";
import { keysAndValues } from "./p-tuning.ts";

/** PEFT's name of the method. */
export const PREFIX_TUNING = "PREFIX_TUNING";

/** The one tensor of its file: [virtual tokens, 2 * layers * token_dim]. */
export const PEFT_EMBEDDING = "prompt_embeddings";

/** @param baseModel name or folder of the model it belongs to */
export function peftPrefixFiles(
  {
    config,
    tensors,
    name,
  }: { readonly config: PTuningConfig; readonly tensors: AdapterTensors; readonly name?: string },
  baseModel: string,
  model: ChatGLMConfig,
): FileToWrite[] {
  const width = model.groups * model.headSize;
  const json = {
    ...{ auto_mapping: null, base_model_name_or_path: baseModel, inference_mode: true, modules_to_save: null },
    ...{ peft_type: PREFIX_TUNING, revision: null, task_type: "CAUSAL_LM" },
    ...{ num_virtual_tokens: config.length, num_transformer_submodules: 1, num_layers: model.layers },
    ...{ token_dim: width, num_attention_heads: model.groups, encoder_hidden_size: width },
    // The network is not saved, as PEFT does not: what is saved trains on as it is.
    prefix_projection: false,
  };
  return adapterFiles(json, { [PEFT_EMBEDDING]: shiftedForPeft(keysAndValues(tensors, config), model) }, name);
}

/** Keys and values [virtual tokens, width] as our rows see them, whose first position is 0, of those that PEFT's see. */
export const shiftedFromPeft = (made: FloatTensor, model: ChatGLMConfig): FloatTensor => shifted(made, model, -1);

const shiftedForPeft = (made: FloatTensor, model: ChatGLMConfig): FloatTensor => shifted(made, model, 1);

/**
 * A row that begins at position n sees a key as one that begins at 0 sees the same key, rotated by -n: scores depend on the difference
 * of rotations only.
 */
function shifted(made: FloatTensor, model: ChatGLMConfig, sign: 1 | -1): FloatTensor {
  if (model.layout !== "transformers") return made;
  const { layers, groups, headSize } = model;
  const [length, width] = made.shape as [number, number];
  const angles = rotaryFrequencies(model).map((frequency) => sign * length * frequency);
  const data = Float32Array.from(made.data);
  for (let token = 0; token < length; token += 1) {
    for (let layer = 0; layer < layers; layer += 1) {
      for (let group = 0; group < groups; group += 1) {
        rotate(data, token * width + (2 * layer * groups + group) * headSize, angles);
      }
    }
  }
  return tensor("float32", made.shape, data);
}

/** Turns pairs of neighbours, one for each angle; the rest of a head stays. */
function rotate(data: Float32Array, at: number, angles: Float32Array): void {
  for (const [pair, angle] of angles.entries()) {
    const [i, cos, sin] = [at + 2 * pair, Math.cos(angle), Math.sin(angle)];
    const [x, y] = [data[i] as number, data[i + 1] as number];
    data[i] = x * cos - y * sin;
    data[i + 1] = y * cos + x * sin;
  }
}
