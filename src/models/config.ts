/** @file The architecture of a checkpoint as its config.json gives it, checked and given one vocabulary of names. */

import { describe } from "../describe.ts";
import { GlmError } from "../errors.ts";
import { faultLines } from "../fault-list.ts";
import { type Family, families } from "./family.ts";
import { type FamilyEvidence, familyOf } from "./family-of.ts";
import { Fields, type Json } from "./fields.ts";
import { strangeSettings } from "./settings.ts";
import { variantOf } from "./variants.ts";

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

/** What is known of a model besides its config.json. */
export interface ConfigHints extends FamilyEvidence {
  /** What its user says that it is, which decides among the generations that share an architecture. */
  readonly family?: Family | undefined;
}

/**
 * Reads a published config.json. Collects everything that is wrong before it throws.
 * @param subject what to call the file in messages
 * @throws GlmError "unsupported" for another architecture or variant, "model-invalid" with every field that cannot be used,
 * "option-invalid" when it cannot be of the family that its user says
 */
export function readConfig(json: Json, subject: string, hints: ConfigHints = {}): ChatGLMConfig {
  const fields = new Fields(json);
  const config = readerOf(json, subject)(fields, json, hints);
  const { layers, heads, groups, headSize } = config;
  fields.check(layers <= maxLayers, `layers: expected at most ${maxLayers}, got ${layers}`);
  fields.check(heads % groups === 0, `${heads} attention heads are not a multiple of ${groups} key/value heads`);
  // Half of each head is rotated, in pairs (ChatGLM-6B: each half, in pairs).
  fields.check(headSize % 4 === 0, `size of a head: expected a multiple of 4, got ${headSize}`);
  for (const key of strangeSettings(json, fields.asked)) {
    fields.unsupported.push(
      `${key}: it is not known here, and may change what is computed; got ${describe(json[key])}`,
    );
  }
  if (fields.faults.length > 0) {
    const all = [...fields.unsupported, ...fields.faults];
    throw new GlmError(
      "model-invalid",
      `${subject} cannot be used; fetch the model's own file again:${faultLines(all)}`,
    );
  }
  if (fields.unsupported.length > 0) throw otherVariant(json, subject, config.family, fields.unsupported);
  return config;
}

/** The model is what it says, and that is not supported: another file would not help. */
function otherVariant(json: Json, subject: string, family: Family, unsupported: readonly string[]): GlmError {
  const name =
    variantOf(json)?.name ??
    (family === "chatglm2-6b" && json.rope_ratio !== undefined && json.rope_ratio !== 1
      ? "chatglm2-6b-32k"
      : `a variant of ${family}`);
  return new GlmError(
    "unsupported",
    `${subject}: this is ${name}, which is not supported yet:${faultLines(unsupported)}\n${supported}`,
  );
}

const supported = `Use a checkpoint of ${families.slice(0, -1).join(", ")} or ${families.at(-1)}.`;

type Reader = (fields: Fields, json: Json, hints: ConfigHints) => ChatGLMConfig;

function readerOf(json: Json, subject: string): Reader {
  const variant = variantOf(json);
  if (variant?.missing !== undefined) {
    throw new GlmError(
      "unsupported",
      `${subject}: this is ${variant.name}, which is not supported yet: it ${variant.missing}. ${supported}`,
    );
  }
  if (json.model_type === "chatglm") {
    if (json.inner_hidden_size !== undefined || json.position_encoding_2d !== undefined) return readChatGLM6B;
    if (json.num_layers !== undefined) return readGlm;
  }
  if (json.model_type === "glm") return readTransformers;
  const got = json.model_type === undefined ? "no model_type" : `model_type ${describe(json.model_type)}`;
  throw new GlmError(
    "unsupported",
    `${subject}: expected the configuration of ${families.join(", ")} ("chatglm" or "glm"), got ${got}. ` +
      "Use a checkpoint of one of these.",
  );
}

/** The family of an architecture that one generation has alone. */
function onlyFamily(family: Family, { family: said }: ConfigHints): Family {
  if (said === undefined || said === family) return family;
  throw new GlmError(
    "option-invalid",
    `family: the model has the architecture of ${family}, and cannot be a ${said}. Leave family out.`,
  );
}

/** The first release had 20,000 more tokens, and its configuration did not name them all. */
const firstRelease = 150528;

function readChatGLM6B(fields: Fields, _json: Json, hints: ConfigHints): ChatGLMConfig {
  fields.only("position_encoding_2d", true);
  const hidden = fields.size("hidden_size");
  const heads = fields.size("num_attention_heads");
  fields.check(hidden % heads === 0, `hidden_size ${hidden} is not a multiple of num_attention_heads ${heads}`);
  const vocabulary = fields.size("vocab_size");
  const specials = vocabulary === firstRelease ? 150000 : 130000;
  const quantization = fields.quantization();
  return {
    family: onlyFamily("chatglm-6b", hints),
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
  fields.only("interleaved_qkv", false);
  fields.only("rotary_percent", 0.5);
  const quantization = fields.quantization();
  const found = familyOf(json, hints);
  if (hints.family === "chatglm-6b") onlyFamily(found.family, hints);
  const family = hints.family ?? found.family;
  const ropeRatio = fields.positive("rope_ratio", 1);
  if (family === "chatglm2-6b" && ropeRatio !== 1) {
    // Its long version divides positions by the ratio, where its successors multiply theta.
    const guessed = hints.family === undefined && found.guess !== undefined;
    fields.unsupported.push(
      `rope_ratio: only 1 is supported for chatglm2-6b, got ${ropeRatio}, by which this generation divides positions` +
        (guessed ? `. Its family was guessed (${found.guess}): say family: "chatglm3-6b" (--family) if it is one` : ""),
    );
  }
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

function readTransformers(fields: Fields, json: Json, hints: ConfigHints): ChatGLMConfig {
  // Newer files gather what concerns positions in one object.
  const positions = typeof json.rope_parameters === "object" ? (json.rope_parameters as Json | null) : {};
  const rope = new Fields({ ...json, ...positions });
  rope.only("partial_rotary_factor", 0.5);
  rope.only("rope_type", "default");
  fields.only("attention_bias", true);
  fields.only("hidden_act", "silu");
  fields.only("tie_word_embeddings", false);
  const ropeBase = rope.positive("rope_theta", 10000);
  fields.faults.push(...rope.faults);
  fields.unsupported.push(...rope.unsupported);
  for (const key of ["rope_parameters", ...rope.asked]) fields.asked.add(key);
  for (const key of strangeSettings(positions ?? {}, rope.asked)) {
    fields.unsupported.push(`rope_parameters.${key}: it is not known here; got ${describe(positions?.[key])}`);
  }
  return {
    family: onlyFamily("glm-4-9b", hints),
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
