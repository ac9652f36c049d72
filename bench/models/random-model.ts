/** @file A random model of ChatGLM3's layout: its shape, its config.json, and the tensors that a checkpoint of it holds. */

import { parametersOf } from "../../src/models/architectures.ts";
import { type ChatGLMConfig, readConfig } from "../../src/models/config.ts";
import type { Distribution, RandomTensor } from "./random-weights.ts";

export interface ModelShape {
  readonly layers: number;
  /** heads · headSize. */
  readonly hidden: number;
  readonly ffn: number;
  readonly heads: number;
  readonly groups: number;
  readonly vocabulary: number;
}

/** ChatGLM3-6B's own. */
export const chatglm3: ModelShape = {
  layers: 28,
  hidden: 4096,
  ffn: 13696,
  heads: 32,
  groups: 2,
  vocabulary: 65024,
};

/** Bits of the linear layers' weights where they are quantised as published; float16 without. */
export type PublishedBits = 8 | 4;

/** As THUDM/chatglm3-6b has it, so far as it says something about the architecture. */
export function configJson(shape: ModelShape, bits?: PublishedBits): Record<string, unknown> {
  return {
    glmlab_family: "chatglm3-6b",
    model_type: "chatglm",
    architectures: ["ChatGLMModel"],
    num_layers: shape.layers,
    hidden_size: shape.hidden,
    ffn_hidden_size: shape.ffn,
    kv_channels: shape.hidden / shape.heads,
    num_attention_heads: shape.heads,
    multi_query_attention: true,
    multi_query_group_num: shape.groups,
    padded_vocab_size: shape.vocabulary,
    seq_length: 8192,
    layernorm_epsilon: 1e-5,
    rmsnorm: true,
    add_qkv_bias: true,
    add_bias_linear: false,
    post_layer_norm: true,
    apply_residual_connection_post_layernorm: false,
    original_rope: true,
    tie_word_embeddings: false,
    eos_token_id: 2,
    pad_token_id: 0,
    torch_dtype: "float16",
    ...(bits === undefined ? {} : { quantization_bit: bits }),
  };
}

export function configOf(shape: ModelShape): ChatGLMConfig {
  return readConfig(configJson(shape), "the random model's config.json");
}

/** Every tensor, in the order of the layers. */
export function randomTensors(shape: ModelShape): RandomTensor[] {
  return parametersOf(configOf(shape)).map(({ name, shape }) => ({
    name,
    shape,
    distribution: distributionOf(name, shape),
  }));
}

/** Spread so that activations stay near one in size through all layers, as in a trained model. */
function distributionOf(name: string, [, width]: readonly number[]): Distribution {
  if (name.includes("layernorm")) return { mean: 1, deviation: 0.1 };
  if (width === undefined) return { mean: 0, deviation: 0.1 };
  return { mean: 0, deviation: name.includes("embedding") ? 1 : 1 / Math.sqrt(width) };
}

/** Whether the published quantisation applies: to the four linear layers of a block, not to the embedding or the head. */
export function isQuantized({ name, shape }: RandomTensor): boolean {
  return shape.length === 2 && name.includes(".layers.");
}
