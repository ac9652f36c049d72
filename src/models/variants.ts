/** @file Models of the same makers that are not supported: known by their configuration, so that messages can name them. */
import type { Json } from "./fields.ts";

interface Variant {
  readonly name: string;
  /** What is missing here, for those that nothing else says it of. */
  readonly missing?: string;
  is(json: Json): boolean;
}

const ofType =
  (...types: readonly string[]) =>
  (json: Json): boolean =>
    types.includes(json.model_type as string);

const sees = (json: Json): boolean =>
  ["vision_config", "eva_config", "qformer_config", "image_length", "image_size"].some((key) => json[key] != null);

const blocks = "has other blocks than GLM-4-9B (norms on both sides of attention and MLP)";

/** The first that fits is meant. */
const variants: readonly Variant[] = [
  {
    name: "GLM-4V-9B",
    missing: "sees images",
    is: (json) => json.model_type === "chatglm" && json.vision_config != null,
  },
  { name: "VisualGLM-6B", missing: "sees images", is: (json) => json.model_type === "chatglm" && sees(json) },
  { name: "GLM-Edge-V", missing: "sees images", is: (json) => json.model_type === "glm" && sees(json) },
  { name: "GLM-4-0414 (GLM-4-9B-0414, GLM-4-32B-0414, GLM-Z1)", missing: blocks, is: ofType("glm4") },
  { name: "GLM-4.1V", missing: "sees images", is: ofType("glm4v", "glm4v_text") },
  { name: "GLM-4.5V", missing: "sees images and is a mixture of experts", is: ofType("glm4v_moe", "glm4v_moe_text") },
  {
    name: "GLM-4.5 or later",
    missing: "is a mixture of experts",
    is: ofType("glm4_moe", "glm4_moe_lite", "glm_moe_dsa"),
  },
  { name: "CogVLM or CogAgent", missing: "sees images", is: ofType("cogvlm", "cogvlm2", "cogagent") },
  {
    name: "the GLM of 2021 (glm-large, glm-2b, glm-10b, glm-515m)",
    missing: "has learnt positions and fills blanks",
    is: (json) =>
      json.block_position_encoding !== undefined || (json.model_type === "glm" && json.num_layers !== undefined),
  },
  {
    name: "GLM-Edge",
    is: (json) => json.model_type === "glm" && (json.vocab_size === 59264 || json.partial_rotary_factor === 1),
  },
  { name: "chatglm-6b-int4-qe", is: ({ quantization_embeddings: embeddings }) => embeddings === true },
];

/** The model that a configuration is of, when it is one that is known and not supported; what it is called, what it has. */
export function variantOf(json: Json): Pick<Variant, "name" | "missing"> | undefined {
  return variants.find((variant) => variant.is(json));
}
