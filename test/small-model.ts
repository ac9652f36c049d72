/** @file A checkpoint small enough for any test: ChatGLM2's layout, random weights, the tokenizer of tiny. */
import { copyFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parametersOf } from "../src/models/architectures.ts";
import { readConfig } from "../src/models/config.ts";
import { randomStream } from "../src/random.ts";
import { sizeOf, type Tensor, tensor } from "../src/tensor.ts";
import { packageFolder } from "../src/version.ts";
import { sourcesOf, writeSafetensors } from "../src/weights/safetensors.ts";

/** Rows of the embedding table: room for every id of tiny's tokenizer, but for the roles of ChatGLM3. */
const VOCABULARY = 4160;
/** With room for those. */
export const VOCABULARY_WITH_ROLES = 4170;

const layout = {
  model_type: "chatglm",
  num_layers: 2,
  hidden_size: 32,
  ffn_hidden_size: 48,
  kv_channels: 8,
  num_attention_heads: 4,
  multi_query_attention: true,
  multi_query_group_num: 2,
  seq_length: 256,
  layernorm_epsilon: 1e-5,
  rmsnorm: true,
  add_qkv_bias: true,
  add_bias_linear: false,
  post_layer_norm: true,
  apply_residual_connection_post_layernorm: false,
  original_rope: true,
  tie_word_embeddings: false,
};

/**
 * Writes the checkpoint into a folder, which is made when there is none. The same seed gives the same weights.
 * @param deviation of the weights
 * @param vocabulary rows of the embedding table
 */
export async function writeSmallModel(
  folder: string,
  seed = 0,
  deviation = 0.3,
  vocabulary = VOCABULARY,
): Promise<string> {
  const json = { ...layout, padded_vocab_size: vocabulary };
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "config.json"), JSON.stringify(json));
  for (const name of ["tokenizer.model", "tokenizer_config.json"]) {
    await copyFile(join(packageFolder, "models", "tiny", name), join(folder, name));
  }
  const tensors: Record<string, Tensor> = {};
  for (const { name, shape } of parametersOf(readConfig(json, "the small model"))) {
    const random = randomStream(seed, name);
    const isNorm = name.includes("norm");
    const values = Float32Array.from({ length: sizeOf(shape) }, () => (isNorm ? 1 : 0) + deviation * random.normal());
    tensors[name] = tensor("float32", shape, values);
  }
  await writeSafetensors(join(folder, "model.safetensors"), sourcesOf(tensors));
  return folder;
}
