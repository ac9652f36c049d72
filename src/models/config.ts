/** @file The architecture of a checkpoint as its config.json gives it, checked and given one vocabulary of names. */
import { GlmError } from "../errors.ts";
import type { Family } from "./family.ts";

export type { Family } from "./family.ts";

/** What the ChatGLM2/3 block needs to know. Sizes are elements. */
export interface ChatGLMConfig {
  readonly family: Family;
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
  readonly ropeRatio: number;
  /** Longest sequence the model was made for, in tokens. */
  readonly contextLength: number;
}

/**
 * Reads a published config.json. Collects every fault before it throws.
 * @param subject what to call the file in messages
 */
export function readConfig(json: Record<string, unknown>, subject: string): ChatGLMConfig {
  const faults: string[] = [];
  const size = (key: string, fallback?: number): number => {
    const value = json[key] ?? fallback;
    if (typeof value === "number" && Number.isInteger(value) && value > 0) return value;
    faults.push(`${key}: expected a positive integer, got ${JSON.stringify(json[key])}`);
    return 1;
  };
  const positive = (key: string, fallback: number): number => {
    const value = json[key] ?? fallback;
    if (typeof value === "number" && Number.isFinite(value) && value > 0) return value;
    faults.push(`${key}: expected a positive number, got ${JSON.stringify(value)}`);
    return fallback;
  };
  const must = (key: string, expected: unknown): void => {
    if (json[key] !== undefined && json[key] !== expected) {
      faults.push(`${key}: only ${JSON.stringify(expected)} is supported, got ${JSON.stringify(json[key])}`);
    }
  };
  if (json.model_type !== "chatglm" || json.num_layers === undefined) {
    throw new GlmError(
      "unsupported",
      `${subject}: expected a ChatGLM2/ChatGLM3 configuration (model_type "chatglm" with num_layers), ` +
        `got model_type ${JSON.stringify(json.model_type)}. Supported families: chatglm2-6b, chatglm3-6b.`,
    );
  }
  must("rmsnorm", true);
  must("multi_query_attention", true);
  must("add_qkv_bias", true);
  must("add_bias_linear", false);
  must("post_layer_norm", true);
  must("apply_residual_connection_post_layernorm", false);
  must("tie_word_embeddings", false);
  must("original_rope", true);
  const heads = size("num_attention_heads");
  const config: ChatGLMConfig = {
    family: familyOf(json),
    layers: size("num_layers"),
    hidden: size("hidden_size"),
    ffn: size("ffn_hidden_size"),
    heads,
    groups: size("multi_query_group_num", 1),
    headSize: size("kv_channels"),
    vocabulary: size("padded_vocab_size"),
    epsilon: positive("layernorm_epsilon", 1e-5),
    ropeRatio: positive("rope_ratio", 1),
    contextLength: size("seq_length", 2048),
  };
  if (config.heads % config.groups !== 0) {
    faults.push(`num_attention_heads ${config.heads} is not a multiple of multi_query_group_num ${config.groups}`);
  }
  if (config.headSize % 4 !== 0) faults.push(`kv_channels: expected a multiple of 4, got ${config.headSize}`);
  if (faults.length > 0) throw new GlmError("model-invalid", `${subject} cannot be used:\n- ${faults.join("\n- ")}`);
  return config;
}

/** Published ChatGLM2 and ChatGLM3 files share an architecture; only the prompt differs. */
function familyOf(json: Record<string, unknown>): Family {
  const named = [json.glmlab_family, json._name_or_path].find((value) => typeof value === "string") as
    | string
    | undefined;
  return named?.toLowerCase().includes("chatglm3") ? "chatglm3-6b" : "chatglm2-6b";
}
