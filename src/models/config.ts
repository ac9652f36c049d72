/** @file The architecture of a checkpoint as its config.json gives it, checked and given one vocabulary of names. */
import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { type Family, families } from "./family.ts";
import { Fields, type Json } from "./fields.ts";

export type { Family } from "./family.ts";

/** Which definition runs it, and what its tensors are called: as published by THUDM, or as in transformers. */
export type Layout = "chatglm6b" | "glm" | "transformers";

/** ChatGLM-6B's ids of the tokens that say where the answer begins. */
export interface PrefixIds {
  readonly sop: number;
  readonly gmask: number;
  readonly mask: number;
}

/** What the models need to know. Sizes are elements. */
export interface ChatGLMConfig {
  readonly family: Family;
  readonly layout: Layout;
  readonly layers: number;
  readonly hidden: number;
  readonly ffn: number;
  readonly heads: number;
  /** Key/value heads; each serves `heads / groups` consecutive query heads. */
  readonly groups: number;
  readonly headSize: number;
  /** Rows of the embedding table, padding included. */
  readonly vocabulary: number;
  readonly epsilon: number;
  /** Theta of the rotary positions. */
  readonly ropeBase: number;
  /** Longest sequence the model was made for, in tokens. */
  readonly contextLength: number;
  /** Bits of the linear modules' weights, when they are published quantised. */
  readonly quantization?: 4 | 8;
  /** ChatGLM-6B only. */
  readonly prefixIds?: PrefixIds;
}

/** Every layer's parameters are listed before weights are looked at: a damaged number must not fill the memory. */
const maxLayers = 1000;

/** What other files of the folder say. */
export interface ConfigHints {
  /** Whether the tokenizer has tokens for roles: what ChatGLM3 has and ChatGLM2 has not. */
  readonly roles?: boolean;
}

/**
 * Reads a published config.json. Collects every fault before it throws.
 * @param subject what to call the file in messages
 * @throws GlmError "unsupported" for another architecture, "model-invalid" with every field that cannot be used
 */
export function readConfig(json: Json, subject: string, hints: ConfigHints = {}): ChatGLMConfig {
  const fields = new Fields(json);
  const config = readerOf(json, subject)(fields, json, hints);
  const { layers, heads, groups, headSize } = config;
  fields.check(layers <= maxLayers, `layers: expected at most ${maxLayers}, got ${layers}`);
  fields.check(heads % groups === 0, `${heads} attention heads are not a multiple of ${groups} key/value heads`);
  // Half of each head is rotated, in pairs (ChatGLM-6B: each half, in pairs).
  fields.check(headSize % 4 === 0, `size of a head: expected a multiple of 4, got ${headSize}`);
  if (fields.faults.length > 0) {
    throw new GlmError(
      "model-invalid",
      `${subject} cannot be used; fetch the model's own file again:\n- ${fields.faults.join("\n- ")}`,
    );
  }
  return config;
}

type Reader = (fields: Fields, json: Json, hints: ConfigHints) => ChatGLMConfig;

function readerOf(json: Json, subject: string): Reader {
  if (json.model_type === "chatglm" && json.vision_config === undefined) {
    if (json.inner_hidden_size !== undefined || json.position_encoding_2d !== undefined) return readChatGLM6B;
    if (json.num_layers !== undefined) return readGlm;
  }
  if (json.model_type === "glm") return readTransformers;
  const got = json.model_type === undefined ? "no model_type" : `model_type ${describe(json.model_type)}`;
  const reason =
    json.model_type === "glm4"
      ? " GLM-4-0414 has other blocks than GLM-4-9B (norms on both sides of attention and MLP) and is not supported yet."
      : json.vision_config !== undefined
        ? " Models that see images are not supported."
        : "";
  throw new GlmError(
    "unsupported",
    `${subject}: expected the configuration of ${families.join(", ")} ("chatglm" or "glm"), got ${got}.${reason} ` +
      "Use a checkpoint of one of these.",
  );
}

/** The first release had 20,000 more tokens, and its configuration did not name them all. */
const firstRelease = 150528;

function readChatGLM6B(fields: Fields): ChatGLMConfig {
  fields.only("position_encoding_2d", true);
  const hidden = fields.size("hidden_size");
  const heads = fields.size("num_attention_heads");
  fields.check(hidden % heads === 0, `hidden_size ${hidden} is not a multiple of num_attention_heads ${heads}`);
  const vocabulary = fields.size("vocab_size");
  const specials = vocabulary === firstRelease ? 150000 : 130000;
  const quantization = fields.quantization();
  return {
    family: "chatglm-6b",
    layout: "chatglm6b",
    layers: fields.size("num_layers"),
    hidden,
    ffn: fields.size("inner_hidden_size", 4 * hidden),
    heads,
    groups: heads,
    headSize: Math.floor(hidden / heads),
    vocabulary,
    epsilon: fields.positive("layernorm_epsilon", 1e-5),
    ropeBase: 10000,
    contextLength: fields.size("max_sequence_length", 2048),
    ...(quantization ? { quantization } : {}),
    prefixIds: {
      sop: fields.id("bos_token_id", specials + 4),
      gmask: fields.id("gmask_token_id", specials + 1),
      mask: fields.id("mask_token_id", specials),
    },
  };
}

function readGlm(fields: Fields, json: Json, hints: ConfigHints): ChatGLMConfig {
  fields.only("rmsnorm", true);
  fields.only("multi_query_attention", true);
  fields.only("add_qkv_bias", true);
  fields.only("add_bias_linear", false);
  fields.only("post_layer_norm", true);
  fields.only("apply_residual_connection_post_layernorm", false);
  fields.only("tie_word_embeddings", false);
  fields.only("original_rope", true);
  const quantization = fields.quantization();
  const family = familyOf(json, hints);
  const ropeRatio = fields.positive("rope_ratio", 1);
  // ChatGLM2's long version divides positions by the ratio, where its successors multiply theta.
  fields.check(
    family !== "chatglm2-6b" || ropeRatio === 1,
    `rope_ratio: only 1 is supported for chatglm2-6b, got ${ropeRatio} (a ChatGLM3 is known by "chatglm3" in _name_or_path)`,
  );
  return {
    family,
    layout: "glm",
    layers: fields.size("num_layers"),
    hidden: fields.size("hidden_size"),
    ffn: fields.size("ffn_hidden_size"),
    heads: fields.size("num_attention_heads"),
    groups: fields.size("multi_query_group_num", 1),
    headSize: fields.size("kv_channels"),
    vocabulary: fields.size("padded_vocab_size"),
    epsilon: fields.positive("layernorm_epsilon", 1e-5),
    ropeBase: 10000 * ropeRatio,
    contextLength: fields.size("seq_length", 2048),
    ...(quantization ? { quantization } : {}),
  };
}

/**
 * ChatGLM2, ChatGLM3 and GLM-4 share an architecture; prompts and tokens differ. Only GLM-4 ends answers with one of
 * several tokens; ChatGLM3 calls itself that.
 */
function familyOf(json: Json, { roles }: ConfigHints): Family {
  if (Array.isArray(json.eos_token_id)) return "glm-4-9b";
  const name = [json.glmlab_family, json._name_or_path].find((value) => typeof value === "string");
  if (/chatglm[23]/i.test(String(name))) return /chatglm3/i.test(String(name)) ? "chatglm3-6b" : "chatglm2-6b";
  return roles ? "chatglm3-6b" : "chatglm2-6b";
}

function readTransformers(fields: Fields, json: Json): ChatGLMConfig {
  // Newer files gather what concerns positions in one object.
  const rope = new Fields({ ...json, ...(typeof json.rope_parameters === "object" ? json.rope_parameters : {}) });
  rope.only("partial_rotary_factor", 0.5);
  rope.only("rope_type", "default");
  fields.only("attention_bias", true);
  fields.only("hidden_act", "silu");
  fields.only("tie_word_embeddings", false);
  const ropeBase = rope.positive("rope_theta", 10000);
  fields.faults.push(...rope.faults);
  return {
    family: "glm-4-9b",
    layout: "transformers",
    layers: fields.size("num_hidden_layers"),
    hidden: fields.size("hidden_size"),
    ffn: fields.size("intermediate_size"),
    heads: fields.size("num_attention_heads"),
    groups: fields.size("num_key_value_heads"),
    headSize: fields.size("head_dim", 128),
    vocabulary: fields.size("vocab_size"),
    epsilon: fields.positive("rms_norm_eps", 1.5625e-7),
    ropeBase,
    contextLength: fields.size("max_position_embeddings", 131072),
  };
}
